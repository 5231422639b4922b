"""Run a study and print its failures: python scripts/batch_process.py STUDY.toml [--resume]. As osimopt batch does."""

import argparse

import osimopt


def main() -> None:
    """Run, count, report."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("study")
    given.add_argument("--resume", action="store_true")
    arguments = given.parse_args()
    folder = osimopt.run_study(
        arguments.study,
        resume=arguments.resume,
        progress=lambda row, done, total: print(f"{done}/{total} {row['job']}: {row['status']}", flush=True),
    )
    table = osimopt.read_manifest(folder)
    failed = table[table["status"] != "solved"]
    print(f"{len(table) - len(failed)} of {len(table)} solved; {folder}")
    print(failed[["job", "reason"]].to_string(index=False) if len(failed) else "")


if __name__ == "__main__":
    main()
