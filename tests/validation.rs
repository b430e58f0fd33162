//! Every error of a manifest, said by the program itself. `tests/cli/validation.trycmd` records the commands on `tests/bad`, and
//! tests/readme.rs runs them; files that are too large, or no text at all, are made here. What both print must hold every message that
//! is found in the source text.

#[path = "support/literals.rs"]
mod literals;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use holdfast::load;
use literals::{Literal, literals};
use serde_json::Value;

const RECORDED: &str = include_str!("cli/validation.trycmd");

/// A manifest that is right; the first line below it is line 7.
const HEAD: &str = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: large}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n";

type Made = (&'static str, fn(&Path), &'static [&'static str]);

/// What is not kept as a file, under its name, how it is made, and every problem that is said of it.
const MADE: &[Made] = &[
    (
        "larger-than-a-file-may-be.yaml",
        |path| write(path, &vec![b'#'; (16 << 20) + 1]),
        &["larger-than-a-file-may-be.yaml:1:1: error: the file is larger than 16 MiB; split it into several files"],
    ),
    ("utf-16.yaml", |path| write(path, b"\xFF\xFEa\0:\0"), &["utf-16.yaml:1:1: error: the file is UTF-16; save it as UTF-8"]),
    (
        "latin-1.yaml",
        |path| write(path, b"a: b\nc: caf\xE9\n"),
        &["latin-1.yaml:2:7: error: not UTF-8: the byte at offset 11 begins no character; save the file as UTF-8"],
    ),
    ("nul.yaml", |path| write(path, b"a: b\0c\n"), &["nul.yaml:1:5: error: the character U+0000 is not allowed in YAML"]),
    (
        "next-line-in-quotes.yaml",
        |path| write(path, "a: \"b\u{85}c\"\n".as_bytes()),
        &["next-line-in-quotes.yaml:1:4: error: two YAML parsers read this differently; write it more plainly"],
    ),
    (
        "many-values.yaml",
        |path| write(path, "- a\n".repeat(500_001).as_bytes()),
        &[
            "many-values.yaml:500000:3: error: the file holds more than 500000 values, aliases followed; split it into several files, or say less through aliases",
        ],
    ),
    (
        "many-documents.yaml",
        |path| write(path, "--- a\n".repeat(5_001).as_bytes()),
        &["many-documents.yaml: error: more than 5000 documents in one file"],
    ),
    (
        "many-folders",
        |path| fs::create_dir_all(path.join("d/".repeat(17))).expect("folders"),
        &["many-folders/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d: error: folders stand more than 16 deep in each other"],
    ),
    (
        "many-files",
        |path| {
            fs::create_dir(path).expect("a folder");
            (0..10_001).for_each(|number| write(&path.join(format!("{number:05}.yaml")), b""));
        },
        &["many-files/10000.yaml: error: more than 10000 files in this folder"],
    ),
    (
        "device",
        |path| {
            fs::create_dir(path).expect("a folder");
            symlink("/dev/null", path.join("null.yaml")).expect("a link");
            // Nobody ever writes to it: whoever opens it waits for ever.
            let made = Command::new("mkfifo").arg(path.join("pipe.yaml")).status();
            assert!(made.expect("mkfifo, of coreutils").success());
        },
        &["device/null.yaml: error: not a regular file", "device/pipe.yaml: error: not a regular file"],
    ),
];

/// Literals of the source that no command can bring out, and why.
const NEVER_SAID: &[(&str, Why)] = &[
    ("schema", Why::Broken("stands for the file in the next one")),
    (
        "the schema of this build cannot be used: {error}",
        Why::Broken("the schema is made of the build's own types; a module test hands in another"),
    ),
    (
        "this fits the schema and still cannot be read: {error}",
        Why::Broken("types and schema are one declaration; it would be a bug of ours"),
    ),
    ("what `holdfast explain {}` shows", Why::Broken("the same, for the types of the kinds")),
    ("text that matches {pattern}", Why::Broken("every pattern that a manifest reaches has an example beside it")),
    ("standard input", Why::Broken("what is piped in stands in no recorded command; tests/cli/ground.rs pipes")),
    ("this cannot be read: {error}", Why::Broken("of standard input: a pipe that breaks")),
    ("not a list", Why::Earlier("the schema: this is a mapping; expected a list")),
    ("a YAML value", Why::Broken("serde asks for it where a value is of none of the kinds that YAML has")),
    ("recursion limit", Why::Earlier("looked for in what the parser says, to say it better")),
    ("found a tab", Why::Earlier("looked for in what the parser says, to say it better")),
    ("this", Why::NotInSchema(&["contains", "propertyNames", "patternProperties", "dependentRequired", "dependentSchemas", "if"])),
    ("the document has ended before this", Why::Earlier("both parsers: not YAML: did not find expected <document start>")),
    ("begin a new one with ---", Why::Earlier("belongs to the one above")),
    ("this folder cannot be read: {error}", Why::Broken("it takes a folder that may not be read, and root may read all of them")),
    ("not a path such as spec.s3.buckets[0].versioning", Why::Broken("paths are read out of our own source only")),
    ("{0} is not a time such as 22:00", Why::Earlier("the schema's pattern: does not have the right form")),
    ("is no length of time", Why::Earlier("the schema's pattern: does not have the right form")),
    ("a number and s, m or h: 240s, 30m, 24h", Why::Earlier("belongs to the one above")),
    ("names no place, or several", Why::Earlier("the schema: too few fields, too many fields")),
    ("exactly one of secretsManager, ssmParameter, kubernetes, ecs, exec", Why::Earlier("belongs to the one above")),
    (
        "two wishes ask for different statements {sid} in the policy of {}",
        Why::Earlier("no manifest holds bucket policies: the plan says it"),
    ),
    ("one statement a Sid", Why::Earlier("belongs to the one above")),
    ("more than {limit}", Why::NotInSchema(&["exclusiveMinimum"])),
    ("less than {limit}", Why::NotInSchema(&["exclusiveMaximum"])),
    ("does not fit", Why::NotInSchema(&["multipleOf"])),
    ("a multiple of {multiple_of}", Why::NotInSchema(&["multipleOf"])),
    ("the same item twice", Why::NotInSchema(&["uniqueItems"])),
    ("a list without repetition", Why::NotInSchema(&["uniqueItems"])),
    ("fits more than one of the allowed forms", Why::NotInSchema(&["oneOf"])),
    ("fits none of the allowed forms", Why::NotInSchema(&["oneOf", "anyOf"])),
    ("not allowed here", Why::NotInSchema(&["not"])),
    ("too short a list", Why::OnlyOnes("minItems")),
    ("at least {limit} items", Why::OnlyOnes("minItems")),
    ("one of {shown}, ...", Why::ShortLists),
];

/// Why a message cannot be brought out. What can be looked up in the schema is.
enum Why {
    /// Only a mistake of ours, or the machine's, leads there.
    Broken(&'static str),
    /// Something else is said before it comes to that.
    Earlier(&'static str),
    /// No field is held to such a rule.
    NotInSchema(&'static [&'static str]),
    /// Wherever the schema asks for so many, it asks for one, which is said in other words.
    OnlyOnes(&'static str),
    /// At most 40 names are ever listed.
    ShortLists,
}

/// What makes a problem: a single word beside it, or on a line of its own, is a message as well.
const MAKERS: &[&str] =
    &["Finding::at(", "Fault::new(", "of_file(", ".expected(", ".help(", "wrong(", "problem(", "say(", "ValidationErrorKind::"];

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file");
}

#[test]
fn every_bad_manifest_is_shown() {
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad")).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let command = format!("$ holdfast validate -f tests/bad/{name}\n");
        assert!(RECORDED.contains(&command), "tests/cli/validation.trycmd does not run: {command}");
    }
}

#[test]
fn what_is_too_large_or_no_text() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, make, expected) in MADE {
        make(&folder.path().join(name));
        let ran = Command::new(env!("CARGO_BIN_EXE_holdfast")).current_dir(&folder).args(["validate", "-f", name]).output().expect("a run");
        let text = String::from_utf8(ran.stdout).expect("text");
        assert_eq!(problems(&text), *expected, "{text}");
        assert_eq!((ran.status.code(), ran.stderr.as_slice()), (Some(1), b"".as_slice()), "{name}");
    }
}

/// All are listed, however many one slip of a generator makes; where nobody could read them any more, how many there are and what to do.
#[test]
fn the_first_of_too_many_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let validated = |number: usize| {
        let fields: String = (0..number).map(|number| format!("  field{number}: 1\n")).collect();
        write(&folder.path().join("many-problems.yaml"), format!("{HEAD}{fields}").as_bytes());
        let ran = Command::new(env!("CARGO_BIN_EXE_holdfast")).current_dir(&folder).args(["validate", "-f", "many-problems.yaml"]).output();
        String::from_utf8(ran.expect("a run").stdout).expect("text")
    };
    let text = validated(600);
    assert_eq!((problems(&text).len(), text.lines().last()), (600, Some("1 file, 0 objects with 0 entries: 600 problems")));
    let text = validated(10_100);
    let said = problems(&text);
    assert_eq!((said.len(), said.last().copied()), (10_001, Some(MANY_PROBLEMS)));
    assert_eq!(text.lines().last(), Some("1 file, 0 objects with 0 entries: 10100 problems"));
}

const MANY_PROBLEMS: &str =
    "many-problems.yaml:10007:1: error: 100 more problems from here on are not listed; mend those above, and validate again";

/// The first lines of the problems in what was printed.
fn problems(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| line.contains(": error: ") || line.contains(": note: ")).collect()
}

/// The messages of a source text, and the group of resources (`s3`) of which alone they are said.
struct Source {
    name: String,
    group: Option<String>,
    messages: Vec<Literal>,
}

/// Every file in which problems of a manifest are put into words.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for place in ["manifest", "kinds", "desired"] {
        rust_below(&root.join(place), &mut files);
    }
    files.push(root.join("load.rs"));
    let mut sources = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("a source");
        if name == "manifest/schema.rs" {
            // Its words are descriptions of fields. If it ever says a problem, it is no longer passed over.
            assert!(!["Problem", "Finding", "Fault"].iter().any(|maker| text.contains(maker)), "{name} says problems now");
            continue;
        }
        // Kinds and the desired state say much more than problems of manifests: only those functions count that have to do with them.
        let whole = name.starts_with("manifest/") || name == "load.rs";
        let says_problems = |body: &str| whole || body.contains("SpecProblem") || body.contains("FnMut(&str");
        // What stands before the first function is none: names and titles.
        let bodies = functions(&text).into_iter().skip(usize::from(!whole)).filter(|body| says_problems(body));
        let group = name.strip_prefix("kinds/").and_then(|rest| rest.split_once('/')).map(|(group, _)| group.to_owned());
        let messages: Vec<Literal> = bodies.flat_map(|body| literals(&body)).filter(is_message).collect();
        if !messages.is_empty() {
            sources.push(Source { name, group, messages });
        }
    }
    sources
}

fn rust_below(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("tests" | "tests.rs" | "testing.rs" | "fake.rs") => {}
            _ if path.is_dir() => rust_below(&path, files),
            Some(name) if name.ends_with(".rs") => files.push(path),
            _ => {}
        }
    }
    files.sort();
}

/// A source text without its tests, cut before each function.
fn functions(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        if ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "async fn "].iter().any(|begin| start.starts_with(begin)) {
            found.push(String::new());
        }
        found.last_mut().expect("the first").push_str(line);
    }
    found
}

/// Whether a literal is said to a person: several words, or one that is handed to what makes a problem.
fn is_message(literal: &Literal) -> bool {
    let fixed: String = literal.pieces().concat();
    if !fixed.contains(|c: char| c.is_ascii_alphabetic()) {
        return false;
    }
    let is_word = literal.text.chars().all(|c| c.is_ascii_alphabetic());
    let alone =
        || literal.line.trim().strip_prefix(&format!("\"{}\"", literal.text)).is_some_and(|rest| matches!(rest, "," | ".to_owned(),"));
    fixed.trim().contains(' ') || is_word && (alone() || MAKERS.iter().any(|maker| literal.line.contains(maker)))
}

/// Where in `line` the fixed words of `literal` stand, from the first to the last: all of them, in order and not inside other words.
fn said_at(literal: &Literal, line: &str) -> Vec<Range<usize>> {
    let pieces = literal.pieces();
    let Some(first) = pieces.iter().position(|piece| piece.contains(|c: char| c.is_ascii_alphabetic())) else { return Vec::new() };
    let inside_a_word = |one: Option<char>, other: Option<char>| [one, other].iter().all(|c| c.is_some_and(|c| c.is_ascii_alphanumeric()));
    let whole = |at: usize| {
        if first == 0 && inside_a_word(line[..at].chars().next_back(), pieces[0].chars().next()) {
            return None;
        }
        let end = pieces[first..].iter().try_fold(at, |end, piece| Some(end + line[end..].find(piece)? + piece.len()))?;
        let last = pieces.last().and_then(|piece| piece.chars().next_back());
        (!inside_a_word(last, line[end..].chars().next())).then_some(at..end)
    };
    line.match_indices(&pieces[first]).filter_map(|(at, _)| whole(at)).collect()
}

/// The messages that are said, with their source. One counts only where no longer one explains the same words: it is not
/// `at most {limit}` that says `at most 63 characters`.
fn all_said<'a>(sources: &'a [Source], lines: &[&str]) -> BTreeSet<(&'a str, &'a str)> {
    let mut said = BTreeSet::new();
    for line in lines {
        let mut here = Vec::new();
        for source in sources {
            if source.group.as_ref().is_none_or(|group| line.contains(&format!("spec.{group}."))) {
                for literal in &source.messages {
                    let length = literal.pieces().concat().len();
                    here.extend(said_at(literal, line).into_iter().map(|place| (place, length, &source.name, &literal.text)));
                }
            }
        }
        for (place, length, name, text) in &here {
            let longer = |(other, its, ..): &(Range<usize>, usize, &String, &String)| {
                other.start <= place.start && other.end >= place.end && its > length
            };
            if !here.iter().any(longer) {
                said.insert((name.as_str(), text.as_str()));
            }
        }
    }
    said
}

#[test]
fn every_message_is_said_by_a_command() {
    let sources = sources();
    let lines: Vec<&str> = problems(RECORDED)
        .into_iter()
        .chain(MADE.iter().flat_map(|(_, _, expected)| expected.iter().copied()))
        .chain([MANY_PROBLEMS])
        .collect();
    let said = all_said(&sources, &lines);
    let excepted = |literal: &Literal| NEVER_SAID.iter().any(|(text, _)| *text == literal.text);
    let mut unsaid = String::new();
    let mut number = 0;
    for source in &sources {
        for literal in &source.messages {
            number += 1;
            let is_said = said.contains(&(source.name.as_str(), literal.text.as_str()));
            if is_said == excepted(literal) {
                let what = if is_said { "is said, and yet listed in NEVER_SAID" } else { "is said by no case" };
                unsaid.push_str(&format!("src/{}: {:?} {what}\n", source.name, literal.text));
            }
        }
    }
    assert!(
        unsaid.is_empty(),
        "{unsaid}Add a manifest to tests/bad and its command to tests/cli/validation.trycmd; `TRYCMD=overwrite cargo test --test readme` records it."
    );
    // Were the literals no longer found, nothing would be demanded.
    assert!(number > 200, "only {number} messages were found in the source");
}

#[test]
fn every_exception_still_holds() {
    let sources = sources();
    let schema = load::schema();
    for (text, why) in NEVER_SAID {
        let there = sources.iter().any(|source| source.messages.iter().any(|literal| literal.text == *text));
        assert!(there, "{text:?} is listed in NEVER_SAID, and no source says it");
        match why {
            Why::Broken(reason) | Why::Earlier(reason) => assert!(!reason.is_empty()),
            Why::NotInSchema(rules) => {
                for rule in *rules {
                    assert!(values_of(&schema, rule).is_empty(), "the schema holds fields to {rule} now: {text:?} can be said");
                }
            }
            Why::OnlyOnes(rule) => assert!(values_of(&schema, rule).iter().all(|limit| **limit == 1), "{rule}: {text:?} can be said"),
            Why::ShortLists => {
                let longest = values_of(&schema, "properties").into_iter().filter_map(Value::as_object).map(serde_json::Map::len);
                let choices = values_of(&schema, "enum").into_iter().filter_map(Value::as_array).map(Vec::len);
                assert!(longest.chain(choices).all(|number| number <= 40), "{text:?} can be said");
            }
        }
    }
}

/// What the schema has under a keyword, wherever it stands. A field of that name counts too, which errs on the safe side.
fn values_of<'v>(schema: &'v Value, keyword: &str) -> Vec<&'v Value> {
    let inside: Vec<&Value> = match schema {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    schema.get(keyword).into_iter().chain(inside.into_iter().flat_map(|inner| values_of(inner, keyword))).collect()
}
