//! Values of database parameters: how they are written, when two mean the same, and which ones a parameter takes.

use serde_json::Value;

/// A parameter as DescribeDBParameters shows it in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// None: neither set nor given a default by the engine.
    pub value: Option<String>,
    /// Somebody set it (`Source` is `user`); else it has the engine's or the system's value.
    pub set: bool,
    /// It is put in force by a restart alone (`ApplyType` is `static`).
    pub restarts: bool,
    /// It was set to wait for a restart (`ApplyMethod` is `pending-reboot`), which a dynamic one can be, too.
    pub waits: bool,
    pub modifiable: bool,
    /// `0,1`, `1-65535`, `on,off`; what is left out is not bounded.
    pub allowed: Option<String>,
    /// `DataType` is `list`: several of the allowed values, joined by commas.
    pub list: bool,
}

/// Whether an interval of enhanced monitoring watches at least as closely as another. 0 is none: whatever watches satisfies that.
pub fn watches(found: i64, wanted: i64) -> bool {
    found == wanted || found > 0 && (wanted == 0 || found < wanted)
}

/// How a value is written where nothing is known of the parameter.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Bool(true) => "1".to_owned(),
        Value::Bool(false) => "0".to_owned(),
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whether a found and a declared value have the same effect (terraform-provider-aws#39252: comparing how they are written never ends).
pub fn same(found: &Value, declared: &Value) -> bool {
    same_text(&plain(found), &plain(declared))
}

/// [`same`], of values as they are sent.
pub fn same_text(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    if let (Some(one), Some(other)) = (flag(one), flag(other)) {
        return one == other;
    }
    // Whole numbers first: beyond 2^53 a float no longer tells them apart.
    if let (Ok(one), Ok(other)) = (one.parse::<i128>(), other.parse::<i128>()) {
        return one == other;
    }
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return one == other;
    }
    // Blanks around the commas of a list say nothing.
    if one.contains(',') && other.contains(',') {
        return one.split(',').map(str::trim).eq(other.split(',').map(str::trim));
    }
    // Case says nothing in names and key words (`UTC`, `ROW`); in a format (`log_line_prefix: %u@%d`) it does.
    let word = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
    word(one) && word(other) && one.eq_ignore_ascii_case(other)
}

/// Engines write switches as 0 and 1, off and on, false and true, and take each for the other.
fn flag(text: &str) -> Option<bool> {
    let any = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match () {
        () if any(["1", "on", "true", "yes"]) => Some(true),
        () if any(["0", "off", "false", "no"]) => Some(false),
        () => None,
    }
}

fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

impl Parameter {
    /// Whether somebody set it, and a restart may be what puts it in force: RDS does not say whether it was.
    pub fn may_wait(&self) -> bool {
        self.set && (self.restarts || self.waits)
    }

    /// The declared value as it is sent: in the spelling of the allowed values, where they are listed.
    pub fn spelled(&self, declared: &Value) -> String {
        let text = plain(declared);
        let listed = self.entries().into_iter().find(|entry| range(entry).is_none() && same_text(entry, &text));
        listed.map_or(text, str::to_owned)
    }

    /// Whether the parameter takes `value`. What cannot be judged (formulas, free text) is left to AWS.
    pub fn takes(&self, value: &str) -> bool {
        let entries = self.entries();
        if entries.is_empty() || value.contains(['{', '(']) {
            return true;
        }
        let one = |value: &str| {
            entries.iter().any(|entry| match range(entry) {
                Some((least, most)) => number(value).is_some_and(|number| (least..=most).contains(&number)),
                None => same_text(entry, value),
            })
        };
        match self.list || value.contains(',') {
            true => value.split(',').map(str::trim).all(one),
            false => one(value),
        }
    }

    fn entries(&self) -> Vec<&str> {
        self.allowed.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect()
    }
}

/// `1-65535`, `-1-2147483647`, `0.0-1.0`.
fn range(entry: &str) -> Option<(f64, f64)> {
    let dash = entry.char_indices().skip(1).find(|(_, letter)| *letter == '-').map(|(at, _)| at)?;
    let (least, most) = entry.split_at(dash);
    Some((number(least)?, number(most.get(1..)?)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_the_same_effect_are_the_same() {
        let same_ones = [
            (json!("1"), json!(1)),
            (json!("1"), json!(true)),
            (json!("on"), json!(true)),
            (json!("ON"), json!("on")),
            (json!("off"), json!(0)),
            (json!("1000"), json!(1000)),
            (json!("0.5"), json!(0.50)),
            (json!("utc"), json!("UTC")),
            (json!("pg_stat_statements,auto_explain"), json!("pg_stat_statements, auto_explain")),
        ];
        for (found, declared) in same_ones {
            assert!(same(&found, &declared), "{found} {declared}");
        }
        let others = [
            (json!("0"), json!(1)),
            (json!("9007199254740993"), json!("9007199254740992")),
            (json!("%t:%r:%u@%d"), json!("%t:%r:%U@%d")),
            (json!("10"), json!(true)),
            (json!("ddl"), json!("mod")),
            (Value::Null, json!(0)),
        ];
        for (found, declared) in others {
            assert!(!same(&found, &declared), "{found} {declared}");
        }
    }

    #[test]
    fn values_are_sent_as_the_engine_spells_them() {
        let parameter = |allowed: &str| Parameter { allowed: Some(allowed.to_owned()), ..Parameter::default() };
        assert_eq!(parameter("0,1").spelled(&json!(true)), "1");
        assert_eq!(parameter("on,off").spelled(&json!(true)), "on");
        assert_eq!(parameter("ON,OFF").spelled(&json!(0)), "OFF");
        assert_eq!(parameter("TRUE,FALSE").spelled(&json!("no")), "FALSE");
        assert_eq!(parameter("-1-2147483647").spelled(&json!(1000)), "1000");
        assert_eq!(Parameter::default().spelled(&json!(" all ")), "all");
    }

    #[test]
    fn values_outside_the_allowed_ones_are_known() {
        let parameter = |allowed: &str| Parameter { allowed: Some(allowed.to_owned()), ..Parameter::default() };
        assert!(parameter("-1-2147483647").takes("-1"));
        assert!(!parameter("-1-2147483647").takes("-2"));
        assert!(parameter("0,1").takes("1"));
        assert!(!parameter("0,1").takes("2"));
        assert!(parameter("none,ddl,mod,all").takes("DDL"));
        assert!(!parameter("none,ddl,mod,all").takes("some"));
        assert!(parameter("1-100").takes("{DBInstanceClassMemory/9531392}"));
        assert!(parameter("0.0-1.0").takes("0.5"));
        assert!(!parameter("0.0-1.0").takes("1.5"));
        assert!(!parameter("6-8388607").takes("many"), "a range is one of numbers");
        assert!(!parameter("-1-2147483647").takes("1GB"));
        assert!(parameter("1-100").takes("LEAST({DBInstanceClassMemory/9531392},5000)"));
        assert!(Parameter::default().takes("anything"));
        let list = Parameter { list: true, ..parameter("auto_explain,pg_stat_statements") };
        assert!(list.takes("pg_stat_statements, auto_explain"));
        assert!(!list.takes("pg_stat_statements,other"));
    }
}
