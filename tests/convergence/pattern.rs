//! Text that a regular expression of a schema admits: the small part of the language that schemas use (literals, classes, groups,
//! alternatives, `?`, `*`, `+`, `{m,n}`, `.`, anchors).

use crate::draw::Draw;

enum Part {
    /// One of these characters.
    Class(Vec<char>),
    /// One of these sequences.
    Choice(Vec<Vec<(Part, usize, usize)>>),
}

/// A text that matches `pattern`, or why the pattern is not understood.
pub fn text(pattern: &str, draw: &mut Draw) -> Result<String, String> {
    let mut letters = pattern.chars().collect::<Vec<_>>();
    letters.reverse();
    let choice = choice(&mut letters)?;
    match letters.is_empty() {
        true => {
            let mut out = String::new();
            write(&choice, draw, &mut out);
            Ok(out)
        }
        false => Err(format!("{pattern}: an unmatched parenthesis")),
    }
}

fn choice(rest: &mut Vec<char>) -> Result<Part, String> {
    let mut all = vec![Vec::new()];
    while let Some(&letter) = rest.last() {
        if letter == ')' {
            break;
        }
        rest.pop();
        let part = match letter {
            '|' => {
                all.push(Vec::new());
                continue;
            }
            '^' | '$' => continue,
            '(' => {
                if rest.ends_with(&[':', '?']) {
                    rest.truncate(rest.len() - 2);
                }
                let inner = choice(rest)?;
                if rest.pop() != Some(')') {
                    return Err("a group without an end".to_owned());
                }
                inner
            }
            '[' => class(rest)?,
            '.' => Part::Class("abz09-".chars().collect()),
            '\\' => match rest.pop() {
                Some('d') => Part::Class(('0'..='9').collect()),
                Some('w') => Part::Class("abcxyz019_".chars().collect()),
                Some(literal) if !literal.is_alphanumeric() => Part::Class(vec![literal]),
                other => return Err(format!("the escape {other:?} is not known here")),
            },
            literal => Part::Class(vec![literal]),
        };
        let (least, most) = times(rest)?;
        all.last_mut().expect("there is always one").push((part, least, most));
    }
    Ok(Part::Choice(all))
}

fn class(rest: &mut Vec<char>) -> Result<Part, String> {
    let mut letters: Vec<char> = Vec::new();
    loop {
        match rest.pop() {
            None => return Err("a class without an end".to_owned()),
            Some(']') if !letters.is_empty() => return Ok(Part::Class(letters)),
            Some('^') if letters.is_empty() => return Err("classes of what is not meant are not known here".to_owned()),
            Some('-') if !letters.is_empty() && rest.last().is_some_and(|next| *next != ']') => {
                let (low, high) = (letters.pop().expect("not empty"), rest.pop().expect("seen above"));
                letters.extend(low..=high);
            }
            Some('\\') => letters.push(rest.pop().ok_or("an escape without a letter")?),
            Some(letter) => letters.push(letter),
        }
    }
}

fn times(rest: &mut Vec<char>) -> Result<(usize, usize), String> {
    let bounds = match rest.last() {
        Some('?') => (0, 1),
        Some('*') => (0, 5),
        Some('+') => (1, 6),
        Some('{') => {
            let mut inside = String::new();
            rest.pop();
            while let Some(letter) = rest.last().filter(|letter| **letter != '}') {
                inside.push(*letter);
                rest.pop();
            }
            let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
            let least: usize = least.parse().map_err(|_| format!("{{{inside}}} is no repetition"))?;
            (least, most.parse().unwrap_or(least + 4).min(least + 8))
        }
        _ => return Ok((1, 1)),
    };
    rest.pop();
    Ok(bounds)
}

fn write(part: &Part, draw: &mut Draw, out: &mut String) {
    match part {
        Part::Class(letters) => out.push(*draw.pick(letters)),
        Part::Choice(all) => {
            for (part, least, most) in draw.pick(all) {
                for _ in 0..draw.number(*least as i64, *most as i64) {
                    write(part, draw, out);
                }
            }
        }
    }
}

#[test]
fn texts_match_their_patterns() {
    let patterns = [
        "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "^arn:aws[a-z-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:.+$",
        "^([01]?[0-9]|2[0-3]):[0-5][0-9]-([01]?[0-9]|2[0-3]):[0-5][0-9]$",
        r"^[0-9]{1,2}\.([0-9]{1,2}(\.[0-9]{1,3})?|x)$",
        "^([A-Za-z0-9!_.'()-]([A-Za-z0-9!_.'()/-]*[A-Za-z0-9!_.'()-])?)?$",
    ];
    let mut draw = Draw::new(1);
    for pattern in patterns {
        let schema = serde_json::json!({"type": "string", "pattern": pattern});
        for _ in 0..50 {
            let text = text(pattern, &mut draw).expect("the pattern is understood");
            assert!(jsonschema::is_valid(&schema, &serde_json::Value::from(text.clone())), "{text:?} does not match {pattern}");
        }
    }
}
