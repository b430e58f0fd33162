"""Every JUnit document of a folder against the two schemas that those who read it go by: Jenkins's and Ant's."""

import json
import pathlib
import subprocess
import sys

import xmlschema

HERE = pathlib.Path(__file__).parent


def package(name):
    """The folder of a package that Cargo.toml names."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--manifest-path", str(HERE / "Cargo.toml")]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packages"]
    return pathlib.Path(next(one["manifest_path"] for one in packages if one["name"] == name)).parent


def main(folder):
    tests = package("junit-report") / "tests"
    schemas = {name: xmlschema.XMLSchema(str(tests / file)) for name, file in [("Jenkins", "JUnit.xsd"), ("Ant", "JUnit-alternative.xsd")]}
    for name, schema in schemas.items():
        if schema.is_valid("<testsuites><testcase/></testsuites>"):
            sys.exit(f"the schema of {name} refuses nothing")
    files = sorted(pathlib.Path(folder).glob("*.junit.xml"))
    wrong = 0
    for file in files:
        for name, schema in schemas.items():
            for error in schema.iter_errors(str(file)):
                wrong += 1
                print(f"{file.name}: by the schema of {name}: {error.reason} at {error.path}")
    if wrong or len(files) < 10:
        sys.exit(f"{wrong} mistakes in {len(files)} documents; 10 documents were expected")
    print(f"{len(files)} documents valid by {len(schemas)} schemas")


main(sys.argv[1])
