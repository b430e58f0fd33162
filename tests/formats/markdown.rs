//! The comment of a pull request. A parser of GitHub's Markdown says what a site makes of it.

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use holdfast::plan::escape::shown;
use holdfast::report::markdown::{LIMIT, render};
use proptest::prelude::*;

use super::plans::{Sample, copy, many, sub_texts};
use super::{sample, snapshot, support, ten};

/// What GitHub takes for a comment.
const GITHUB: usize = 65_536;

/// What a site would make of a page: its blocks in order, every text outside code, every piece of code, every piece of HTML.
#[derive(Debug, Default)]
struct Made {
    blocks: Vec<String>,
    texts: Vec<String>,
    code: Vec<String>,
    html: Vec<String>,
}

fn made(page: &str) -> Made {
    let mut options = Options::default();
    let on = &mut options.extension;
    (on.table, on.autolink, on.strikethrough, on.tasklist, on.footnotes, on.inline_footnotes) = (true, true, true, true, true, true);
    (on.alerts, on.math_dollars, on.math_code, on.multiline_block_quotes, on.description_lists) = (true, true, true, true, true);
    options.parse.relaxed_autolinks = true;
    let arena = Arena::new();
    let mut made = Made::default();
    walk(parse_document(&arena, page, &options), 0, &mut made);
    made
}

fn walk<'a>(node: &'a AstNode<'a>, depth: usize, made: &mut Made) {
    match &node.data().value {
        NodeValue::Text(text) => made.texts.push(text.to_string()),
        NodeValue::Code(code) => made.code.push(code.literal.clone()),
        NodeValue::HtmlBlock(html) => {
            made.html.push(html.literal.clone());
            made.blocks.push(format!("{depth} html"));
        }
        NodeValue::CodeBlock(_) => made.blocks.push(format!("{depth} code")),
        NodeValue::Heading(heading) => made.blocks.push(format!("{depth} heading {}", heading.level)),
        NodeValue::Document
        | NodeValue::List(_)
        | NodeValue::Item(_)
        | NodeValue::Paragraph
        | NodeValue::Table(_)
        | NodeValue::TableRow(_)
        | NodeValue::TableCell => {
            let value = node.data().value.clone();
            made.blocks.push(format!("{depth} {}", format!("{value:?}").split(['(', ' ']).next().unwrap_or_default()));
        }
        // Between lines of a paragraph, and the names that are set off.
        NodeValue::SoftBreak | NodeValue::Strong => {}
        other => panic!("a page has no {other:?}"),
    }
    node.children().for_each(|child| walk(child, depth + 1, made));
}

/// That nothing in it calls, refers, links or is markup that is not ours.
fn inert(page: &str) -> Made {
    let made = made(page);
    // Texts beside each other are one to a site.
    for text in &made.texts {
        let strange = text.chars().find(|letter| !(letter.is_ascii_alphanumeric() || " ,.;:?()'\"-".contains(*letter)));
        assert_eq!(strange, None, "outside code stands {text:?}");
        for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-') {
            assert!(word.len() < 7 || !word.bytes().all(|byte| byte.is_ascii_hexdigit()), "{word} may be a commit: {text:?}");
            let reference = word.split_once('-').is_some_and(|(_, number)| number.bytes().any(|byte| byte.is_ascii_digit()));
            assert!(!reference, "{word} may refer to something: {text:?}");
        }
        assert!(!text.contains("www."), "{text:?}");
    }
    for html in &made.html {
        let inside = html.trim().strip_prefix("<details>\n<summary><code>").and_then(|rest| rest.strip_suffix("</summary>"));
        match inside.and_then(|inside| inside.split_once("</code>")) {
            Some((name, rest)) => {
                assert!(!name.contains(['<', '>', '\n', '"', '\'']), "{html}");
                assert!(!rest.contains(['<', '>', '\n', '@', '#', '/']), "{html}");
            }
            None => assert_eq!(html.trim(), "</details>"),
        }
    }
    assert!(page.chars().all(|letter| letter == '\n' || shown(&letter.to_string()) == letter.to_string()), "{page:?}");
    made
}

#[test]
fn the_ten() {
    for sample in ten() {
        let page = render(&sample.review());
        inert(&page);
        assert!(page.len() <= LIMIT && LIMIT < GITHUB, "{}: {} bytes", sample.name, page.len());
        snapshot("markdown", sample, &page);
    }
}

#[test]
fn five_thousand_changes_fit_and_what_is_cut_is_said() {
    let page = render(&sample("5,000 changes").review());
    assert!(page.contains("Not all of it fits into a comment"), "{page}");
    let rows = page.lines().filter(|line| line.starts_with("| online | `s3.buckets/bucket-")).count();
    assert!(rows > 50 && page.contains(&format!("and {} rows more of the least impact", 5_000 - rows)), "{rows} rows\n{page}");
    let folded = page.matches("<details>").count();
    assert!(folded > 50 && page.contains(&format!("and {} resources more of the least impact", 5_000 - folded)), "{folded} folded\n{page}");
    assert!(page.len() > LIMIT * 9 / 10, "only {} bytes of it are used", page.len());
}

/// What weighs most is kept: one change that cannot be taken back, at the end of thousands that nobody notices.
#[test]
fn the_least_important_is_cut_first() {
    let mut sample = many(sample("small"), 5_000);
    let last = sample.plan().resources.last_mut().expect("a resource");
    last.key.id = "the-one".to_owned();
    last.drifts[0].impact = holdfast::kinds::Impact::Irreversible;
    let page = render(&sample.review());
    let first = page.lines().find(|line| line.starts_with("| ") && !line.starts_with("| impact")).expect("a row");
    assert!(first.starts_with("| **irreversible** | `s3.buckets/the-one` |"), "{first}");
    let folded = page.split("<details>\n<summary>").nth(1).expect("a resource");
    assert!(folded.starts_with("<code>s3.buckets/the-one</code>"), "{folded}");
}

/// What a hostile text is made of.
fn fragment() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "`",
        "``",
        "```",
        "~~~",
        "|",
        "\\",
        "\\|",
        "\n",
        "\r\n",
        "\n\n",
        "\t",
        " ",
        "    ",
        "<",
        ">",
        "&",
        "&#64;",
        "&lt;",
        "<b>",
        "</details>",
        "</summary>",
        "</code>",
        "<!--",
        "-->",
        "<a href='x'>",
        "<https://x.example>",
        "[a](https://x.example)",
        "![a](b)",
        "[a]: b",
        "[^1]",
        "](",
        "[x] ",
        "- [ ] ",
        "@root",
        "@org/team",
        "#12",
        "GH-12",
        "org/repo#12",
        "!12",
        "$12",
        "~label",
        "%1",
        "deadbeef01",
        "deadbeef",
        "www.x.example",
        "https://x.example/y",
        "mailto:a@b.example",
        "a@b.example",
        ":smile:",
        "$x$",
        "$`x`$",
        "# ",
        "## ",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "> ",
        "***",
        "---",
        "===",
        "__a__",
        "~~a~~",
        "|---|",
        "/close",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{0}",
        "\u{1b}[2J",
        "\u{85}",
        "\u{2028}",
        "é",
        "\u{1f600}",
        "plain",
        "words",
        "a-b",
        "x.y",
        "(",
        ")",
        "'",
        "\"",
        ".",
        ":",
        ",",
        ";",
        "GH",
        "-12",
        "12345678",
        "www.",
        "//",
    ]);
    prop_oneof![9 => fixed.prop_map(str::to_owned), 1 => any::<String>()]
}

pub fn hostile() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..9).prop_map(|parts| parts.concat())
}

/// A run with all of its texts chosen: those of each of the ten but the thousands.
pub fn chosen(name: &str, texts: &[String]) -> Sample {
    let mut sample = copy(sample(name));
    let mut number = 0;
    let mut next = || {
        number += 1;
        // Each is another one, so that what is said once of several stays as it is.
        format!("{}{number}", texts[number % texts.len()])
    };
    for report in &mut sample.reports {
        report.plan.iter_mut().chain(report.left.iter_mut()).for_each(|plan| sub_texts(plan, &mut next));
        for one in report.outcomes.iter_mut().flat_map(|outcomes| &mut outcomes.resources) {
            one.key.id = next();
            if let holdfast::execute::End::Failed { message, what_to_do, .. } | holdfast::execute::End::RolledBack { message, what_to_do } =
                &mut one.end
            {
                (*message, *what_to_do) = (next(), next());
            }
        }
    }
    for problem in &mut sample.problems {
        (problem.file, problem.path, problem.message, problem.expected) = (next(), next(), next(), Some(next()));
    }
    sample.consent = format!("to consent to {}\n  {}\n", shown(&next()), next().replace('\n', " "));
    sample
}

proptest! {
    #![proptest_config(ProptestConfig { cases: support::cases().max(256), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the texts are, the page has the blocks that it has with plain ones, and calls nobody.
    #[test]
    fn no_text_becomes_markup_or_calls_people(
        texts in prop::collection::vec(hostile(), 1..12),
        name in prop::sample::select(vec!["small", "migration", "blocked", "unreadable", "excepted", "partly failed", "rolled back"]),
    ) {
        let plain = inert(&render(&chosen(name, &["plain".to_owned()]).review()));
        let page = render(&chosen(name, &texts).review());
        let found = inert(&page);
        prop_assert_eq!(plain.blocks, found.blocks, "{}", page);
        prop_assert!(page.len() <= LIMIT);
    }

    /// Whatever there is of it, it fits.
    #[test]
    fn every_page_fits(
        texts in prop::collection::vec(prop_oneof![hostile(), "[`|@#<\u{1}é]{0,3000}"], 1..4),
        objects in 1_usize..200,
        resources in 0_usize..60,
        problems in 0_usize..300,
    ) {
        let mut large = chosen("blocked", &texts);
        let (report, problem) = (large.reports[0].clone(), large.problems[0].clone());
        large.reports = vec![report; objects];
        for report in large.reports.iter_mut().step_by(3) {
            report.error = Some(texts[0].clone());
        }
        let plan = large.plan();
        let like = plan.resources[0].clone();
        plan.resources.extend(std::iter::repeat_n(like, resources));
        plan.warnings = texts.iter().cycle().take(300).cloned().collect();
        large.problems = vec![problem; problems];
        let page = render(&large.review());
        prop_assert!(page.len() <= LIMIT, "{} bytes", page.len());
        inert(&page);
    }
}

/// A migration of which there is no room among the open ones is told whole in its fold.
#[test]
fn every_migration_is_told_once() {
    let mut many = copy(sample("migration"));
    let plan = many.plan();
    let like = plan.resources.iter().find(|one| one.steps.len() > 1).expect("a migration").clone();
    let names = ["alpha", "beta", "gamma", "delta"];
    plan.resources = names
        .map(|name| {
            let mut one = like.clone();
            one.key.id = format!("redis-{name}");
            one.notes = vec![format!("noted of {name}"), "of which there is much to say ".repeat(20)];
            one.steps.iter_mut().for_each(|step| {
                // Three of them are more than stand open.
                (step.title, step.back) = (format!("do what {name} wants"), format!("take back what {name} wants {}", "again ".repeat(60)));
            });
            one
        })
        .to_vec();
    let page = render(&many.review());
    assert!(page.len() <= LIMIT);
    inert(&page);
    let said = page.split("#### Migrations").nth(1).expect("migrations").split("####").next().expect("them");
    assert!(said.contains("folded below"), "none is left out: {said}");
    for name in names {
        for (what, times) in [(format!("noted of {name}"), 1), (format!("do what {name} wants"), like.steps.len())] {
            assert_eq!(page.matches(&what).count(), times, "{what}: {page}");
        }
        assert!(page.contains(&format!("to go back: take back what {name} wants")), "{name}: {page}");
    }
    assert!(!page.contains("not shown"), "{page}");
}

/// What stands in the way, and what is felt most, is not what is cut off; and the page says that something is.
#[test]
fn a_large_resource_is_cut_at_its_end() {
    let mut large = copy(sample("blocked"));
    let plan = large.plan();
    let mut one = plan.resources.iter().find(|one| !one.blocks.is_empty()).expect("one that is blocked").clone();
    let like = plan.resources.iter().find_map(|one| one.drifts.first()).expect("a difference").clone();
    let drift = |number: usize| holdfast::kinds::Drift { field: format!("field{number:03}"), ..like.clone() };
    one.drifts = (0..300).map(drift).collect();
    one.drifts.iter_mut().for_each(|drift| drift.impact = holdfast::kinds::Impact::Online);
    one.drifts[299].impact = holdfast::kinds::Impact::Irreversible;
    (one.steps, plan.resources) = (Vec::new(), Vec::new());
    let why = "what stands in the way";
    one.blocks[0].message = why.to_owned();
    plan.resources.push(one);
    let page = render(&large.review());
    inert(&page);
    let fold = page.split("<details>").nth(1).expect("a fold");
    let place = |text: &str| fold.find(text).unwrap_or_else(|| panic!("{text}: {fold}"));
    assert!(place(why) < place("field299") && place("field299") < place("field000"), "{fold}");
    let shown = fold.matches("`field").count();
    assert!(fold.contains(&format!("{} lines of it not shown", 300 - shown)), "{shown}: {fold}");
    assert!(page.contains("Not all of it fits into a comment"), "{page}");
}

/// Of what a commit changes, steps that it lets go stand before what is no more, and that is counted where it is cut.
#[test]
fn what_is_let_go_comes_first() {
    use holdfast::kinds::Key;
    use holdfast::report::compare::{Compared, Comparison, FieldOf, StepOf};
    let key = Key::new("s3.buckets", "a");
    let gone = (0..300).map(|number| FieldOf { key: key.clone(), field: format!("field{number}") }).collect();
    let objects = vec![
        Compared { object: "quiet".to_owned(), gone, ..Compared::default() },
        Compared { object: "loud".to_owned(), let_go: vec![StepOf { key, step: "Begin it".to_owned() }], ..Compared::default() },
    ];
    let comparison = Comparison { base: "base".to_owned(), objects, ..Comparison::default() };
    let page = render(&holdfast::report::Review { comparison: Some(&comparison), ..sample("small").review() });
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(place("- let go: ") < place("`quiet`") && place("`quiet`") < place("- no more: "), "{page}");
    let shown = page.matches("- no more: ").count();
    assert!(shown > 10 && page.contains(&format!("and {} differences more of the base that are no more", 300 - shown)), "{page}");
}

/// The search finds what is to be found: the parser knows what a site would.
#[test]
fn what_is_not_inert_is_found() {
    for page in [
        "a @root b",
        "see #12",
        "GH-12",
        "of deadbeef01",
        "https://x.example",
        "www.x.example",
        "a <b>c</b>",
        "[a](b)",
        "<details>\n<summary>a</summary>\n",
        "a\n\n<script>x</script>\n",
        "*a*",
        "~~a~~",
        "![a](b)",
        "- [ ] a",
        "a@b.example",
        "&#64;root",
        "a\u{202e}b",
        "$x$",
    ] {
        assert!(std::panic::catch_unwind(|| inert(page)).is_err(), "{page:?} passes for inert");
    }
}
