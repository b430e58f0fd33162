//! What RDS and ElastiCache demand of a tag.

/// Why a tag is refused; `reserved`: the prefixes of keys that the service keeps for itself, in lower case.
///
/// API_Tag of RDS: keys of 1 to 128 characters, values of up to 256, both of letters, digits, white space and `_.:/=+-@`; ElastiCache's user guide
/// ("Tagging your ElastiCache resources") says the same.
pub fn refused(key: &str, value: &str, reserved: &[&str]) -> Option<String> {
    let length = key.chars().count();
    if length == 0 || length > 128 || value.chars().count() > 256 {
        return Some("A tag key has 1 to 128 characters, a tag value at most 256.".to_owned());
    }
    let lower = key.to_lowercase();
    if reserved.iter().any(|prefix| lower.starts_with(prefix)) {
        return Some(format!("Tag keys must not begin with {}: {key}", reserved.join(" or ")));
    }
    let shaped = |text: &str| {
        text.chars().all(|character| match character {
            '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@' => true,
            other => other.is_alphabetic() || other.is_numeric() || other.is_whitespace() && !other.is_control(),
        })
    };
    (!shaped(key) || !shaped(value)).then(|| format!("Tag keys and values hold letters, digits, white space and _.:/=+-@ only: {key}"))
}
