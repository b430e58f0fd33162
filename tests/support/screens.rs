//! The README's screens that no command of one line makes: its `text` blocks, held against what a test had printed.

/// The lines of a `text` block of the README, by its place among them. Where a screen is cut short, `...` says so.
pub fn screen(place: usize) -> Vec<&'static str> {
    let block = include_str!("../../README.md").split("\n```text\n").nth(place + 1).and_then(|rest| rest.split("```").next());
    block.expect("a block of text").lines().filter(|line| !line.is_empty() && line.trim() != "...").collect()
}

/// The lines of a screen that nothing printed has, whatever its figures and times are.
pub fn unsaid(place: usize, printed: &str) -> Vec<&'static str> {
    let printed: std::collections::HashSet<String> = printed.lines().map(without_figures).collect();
    screen(place).into_iter().filter(|line| !printed.contains(&without_figures(line))).collect()
}

fn without_figures(line: &str) -> String {
    // Which process it was.
    let line = match line.strip_prefix("  moved by   ").and_then(|rest| rest.split_once(',')) {
        Some((_, rest)) => format!("  moved by   a process,{rest}"),
        None => line.to_owned(),
    };
    let mut out = String::new();
    let mut letters = line.trim_end().chars().peekable();
    while let Some(letter) = letters.next() {
        let goes_on = letters.peek().is_some_and(char::is_ascii_digit) && out.ends_with('#');
        match letter {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            '.' if goes_on => {}
            other => out.push(other),
        }
    }
    for (unit, one) in [("# ms", "# s"), ("# min", "# s"), ("# kB", "# B"), ("# MB", "# B"), ("# k ", "# "), ("# M ", "# ")] {
        out = out.replace(unit, one);
    }
    out
}
