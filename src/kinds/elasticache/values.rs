//! Values of engine parameters: how they are spelled, and which ones a parameter takes.

use super::seen::Parameter;

impl Parameter {
    /// A declared value as the engine spells it: `0.0` of a number is `0`, `No` of `yes,no` is `no`. Free text is left as it is.
    pub fn spelled(&self, declared: &str) -> String {
        let text = declared.trim();
        if let Some(word) = self.entries().find(|entry| range(entry).is_none() && entry.eq_ignore_ascii_case(text)) {
            return word.to_owned();
        }
        match number(text) {
            // Beyond 2^53 a float no longer tells whole numbers apart.
            Some(number) if self.number && number.fract() == 0.0 && number.abs() < 9e15 => (number as i64).to_string(),
            _ => declared.to_owned(),
        }
    }

    /// Whether the parameter takes `value`, spelled as the engine does. What cannot be judged (nothing listed, text of several words) is left
    /// to AWS.
    pub fn takes(&self, value: &str) -> bool {
        if self.number && number(value).is_none() {
            return false;
        }
        if self.entries().next().is_none() || value.contains(char::is_whitespace) {
            return true;
        }
        self.entries().any(|entry| match range(entry) {
            Some((least, most)) => number(value).is_some_and(|number| (least..=most).contains(&number)),
            None => entry == value,
        })
    }

    fn entries(&self) -> impl Iterator<Item = &str> {
        self.allowed.split(',').map(str::trim).filter(|entry| !entry.is_empty())
    }
}

/// `1-65000`, `-1-100`; without an end: `0-`, `-5-`.
fn range(entry: &str) -> Option<(f64, f64)> {
    let dash = entry.char_indices().skip(1).find(|(_, letter)| *letter == '-').map(|(at, _)| at)?;
    let (least, most) = entry.split_at(dash);
    let most = most.get(1..).unwrap_or_default();
    Some((number(least)?, if most.is_empty() { f64::INFINITY } else { number(most)? }))
}

fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(allowed: &str, number: bool) -> Parameter {
        Parameter { allowed: allowed.to_owned(), number, ..Parameter::default() }
    }

    #[test]
    fn values_are_spelled_as_the_engine_does() {
        for (allowed, number, declared, spelled) in [
            ("yes,no", false, "No", "no"),
            ("yes,no", false, "nope", "nope"),
            ("volatile-lru,noeviction", false, "NoEviction", "noeviction"),
            ("0-", true, "0.0", "0"),
            ("-1-", true, "-0.0", "0"),
            ("0-", true, "1e3", "1000"),
            ("-1-", true, "-10", "-10"),
            ("0-", true, "1.5", "1.5"),
            ("0-", true, "9223372036854775807", "9223372036854775807"),
            // The case of its letters says which events.
            ("", false, "Kx", "Kx"),
        ] {
            assert_eq!(parameter(allowed, number).spelled(declared), spelled, "{declared} of {allowed:?}");
        }
    }

    #[test]
    fn values_that_a_parameter_does_not_take_are_known() {
        for (allowed, number, value, takes) in [
            ("yes,no", false, "no", true),
            ("yes,no", false, "maybe", false),
            ("0-", true, "0", true),
            ("0-", true, "-5", false),
            ("0-", true, "many", false),
            ("", true, "many", false),
            ("1-65000", true, "65001", false),
            ("-5-", true, "-5", true),
            ("-5-", true, "-6", false),
            ("-5,-4,-3,-2,-1,1-", true, "0", false),
            ("-5,-4,-3,-2,-1,1-", true, "-4", true),
            ("0,20-", true, "10", false),
            ("", false, "Ex", true),
            ("KEYS,FLUSHALL", false, "KEYS hidden FLUSHALL gone", true),
        ] {
            assert_eq!(parameter(allowed, number).takes(value), takes, "{value} of {allowed:?}");
        }
    }
}
