//! Values that nobody declared, as they are shown in a plan.

use crate::hex::short_sha256;

/// So much of one is shown: it is somebody else's, and may be as long as the service takes it.
const LONGEST: usize = 60;

/// A value as it is shown. Of a long one its beginning, of an address that holds a password nothing; a digest tells two of them apart.
pub fn bounded(value: &str) -> String {
    let password =
        value.split_once("://").is_some_and(|(_, rest)| rest.split(['/', ' ', ',']).next().is_some_and(|host| host.contains('@')));
    let length = value.chars().count();
    if length <= LONGEST && !password {
        return value.to_owned();
    }
    let digest = short_sha256(value, 16);
    let shown: String = value.chars().take(if password { 0 } else { LONGEST }).collect();
    format!("{shown}... ({length} characters, SHA-256 {digest})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_somebody_else_is_shown_in_part() {
        assert_eq!(bounded("pg_stat_statements,auto_explain"), "pg_stat_statements,auto_explain");
        let long = "ü".repeat(4096);
        assert!(bounded(&long).starts_with(&format!("{}... (4096 characters, SHA-256 ", "ü".repeat(60))), "{}", bounded(&long));
        assert_ne!(bounded(&long), bounded(&format!("{}a", "ü".repeat(4095))));
        let shown = bounded("https://user:geheim@example.com/x");
        assert!(!shown.contains("geheim") && !shown.contains("user"), "{shown}");
        assert_eq!(bounded("https://example.com/a@b"), "https://example.com/a@b");
    }
}
