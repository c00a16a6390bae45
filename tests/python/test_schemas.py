"""What the program writes is valid by the schemas of docs/reference/schemas, as an independent validator reads them."""

import json
import subprocess

import jsonschema
import pytest

from bridge import REPOSITORY, stanmatch

SUITE = """
name = "schemas"
seeds = 2
[limits]
seconds = 60
[[methods]]
method = ["bam", "nuts"]
draws = 200
[[posteriors]]
select = ["eight_schools"]
[[posteriors]]
name = "bad"
program = "bad.stan"
"""


def validator(name):
    schema = json.loads((REPOSITORY / "docs" / "reference" / "schemas" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def printed(*arguments):
    run = subprocess.run([stanmatch(), *arguments, "--json"], stdout=subprocess.PIPE)
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("fit", ["fit", "no_such_posterior"]),
        ("sample", ["sample", "no_such_posterior"]),
        ("compare", ["compare", "no_such_file.csv", "--reference", "eight_schools"]),
    ],
)
def test_failures_are_valid_and_no_key_may_be_missing(name, arguments):
    failure = printed(*arguments)
    assert failure["status"] == "failed"
    check = validator(name)
    check.validate(failure)
    for key in failure:
        assert not check.is_valid({other: value for other, value in failure.items() if other != key}), key
    assert not check.is_valid({**failure, "schema": "other/1"})


@pytest.mark.parametrize("options", [["--method", "bam"], ["--method", "pbam"], ["--method", "nuts"]])
def test_saved_fits_are_valid(tmp_path, options):
    document = printed("fit", "eight_schools", "--draws", "500", "--output", tmp_path, *options)
    assert document["status"] != "failed"
    validator("fit").validate(document)
    validator("compare").validate(printed("compare", tmp_path, "--reference", "eight_schools"))
    family = tmp_path / "family.json"
    assert family.exists() == ("nuts" not in options)
    if family.exists():
        gaussian = json.loads(family.read_text())
        check = validator("family")
        check.validate(gaussian)
        covariance = {"factor", "psi", "lambda"}
        assert not check.is_valid({key: value for key, value in gaussian.items() if key not in covariance})


def test_samples_are_valid():
    document = printed("sample", "eight_schools", "--draws", "200")
    assert document["status"] != "failed"
    validator("sample").validate(document)


def test_run_files_are_valid(tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "bad.stan").write_text("parameters { real mu }")
    subprocess.run([stanmatch(), "suite", "run", "suite.toml"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    header, *jobs = map(json.loads, (tmp_path / "schemas.run.jsonl").read_text().splitlines())
    validator("run-header").validate(header)
    assert len(jobs) == 8 and {job["status"] for job in jobs} >= {"ok", "failed"}
    for job in jobs:
        validator("run-job").validate(job)
