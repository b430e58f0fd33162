//! What S3 refuses of a rule whose parts are right one by one: moves and deletion in an order that cannot be, a filter that lets nothing through.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>

use jiff::civil::Date;

use super::{Filter, Rule};

/// Down which storage classes objects move, in this order and never back.
const DOWN: [&str; 6] = ["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];

/// Days that an object has to have been there before it goes to a class of infrequent access, and stays there.
const INFREQUENT: i32 = 30;

/// The problems of a rule in its normal form; `wrong` takes the member, what is wrong, what was expected.
pub(super) fn problems(rule: &Rule, wrong: &mut impl FnMut(&str, String, &str)) {
    if let Some(filter) = &rule.filter {
        self::filter(filter, wrong);
    }
    let expiration = rule.expiration.as_ref();
    let days: Vec<(&str, i32)> = rule.transitions.iter().filter_map(|one| Some((one.storage_class.0.as_str(), one.days?))).collect();
    let dates: Vec<(&str, i32)> =
        rule.transitions.iter().filter_map(|one| Some((one.storage_class.0.as_str(), day(one.date.as_deref()?)?))).collect();
    let by_days = !days.is_empty() || expiration.is_some_and(|one| one.days.is_some());
    let by_date = !dates.is_empty() || expiration.is_some_and(|one| one.date.is_some());
    // A part that says both itself is complained of by itself.
    let both = rule.transitions.iter().any(|one| one.days.is_some() && one.date.is_some())
        || expiration.is_some_and(|one| one.days.is_some() && one.date.is_some());
    if by_days && by_date && !both {
        let what = "some of what the rule does is said by days, and some by date";
        wrong("transitions", what.to_owned(), "days or dates, in transitions and expiration alike");
    }
    let classes: Vec<&str> = rule.transitions.iter().map(|one| one.storage_class.0.as_str()).collect();
    once("transitions", &classes, wrong);
    downwards("transitions", &days, wrong);
    downwards("transitions", &dates, wrong);
    // By days is said with the days.
    let last = dates.iter().map(|(_, day)| *day).max();
    if let (Some(expires), Some(last)) = (expiration.and_then(|one| day(one.date.as_deref()?)), last)
        && expires <= last
    {
        wrong("expiration", "objects would be deleted before their last move, or with it".to_owned(), "a date after every transition's");
    }

    let classes: Vec<&str> = rule.noncurrent_transitions.iter().map(|one| one.storage_class.0.as_str()).collect();
    let days: Vec<(&str, i32)> =
        rule.noncurrent_transitions.iter().filter_map(|one| Some((one.storage_class.0.as_str(), one.days?))).collect();
    for (class, days) in days.iter().filter(|(class, days)| infrequent(class) && *days < INFREQUENT) {
        wrong("noncurrentTransitions", format!("S3 moves no version to {class} after {days} days"), "30 days or more");
    }
    once("noncurrentTransitions", &classes, wrong);
    downwards("noncurrentTransitions", &days, wrong);
    let last = days.iter().map(|(_, days)| *days).max();
    if let (Some(expires), Some(last)) = (rule.noncurrent_expiration.as_ref().and_then(|one| one.days), last)
        && expires <= last
    {
        let what = format!("versions would be deleted after {expires} days and moved after {last}");
        wrong("noncurrentExpiration", what, "more days than every noncurrent transition has");
    }
}

fn filter(filter: &Filter, wrong: &mut impl FnMut(&str, String, &str)) {
    if let (Some(greater), Some(less)) = (filter.size_greater_than, filter.size_less_than)
        && less <= greater
    {
        let what = format!("no object is larger than {greater} and smaller than {less} bytes");
        wrong("filter", what, "a sizeLessThan above sizeGreaterThan");
    }
    if filter.tags.iter().any(|(key, value)| !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256) {
        wrong("filter", "S3 knows no such tag".to_owned(), "keys of 1 to 128 characters, values of at most 256");
    }
}

fn once(member: &str, classes: &[&str], wrong: &mut impl FnMut(&str, String, &str)) {
    let again = classes.iter().enumerate().find(|(place, class)| classes.iter().take(*place).any(|before| before == *class));
    if let Some((_, class)) = again {
        wrong(member, format!("two moves go to {class}"), "one move to each storage class");
    }
}

/// Moves go down the classes, each later than the one above, and whatever went to infrequent access stays there for a while.
fn downwards(member: &str, moves: &[(&str, i32)], wrong: &mut impl FnMut(&str, String, &str)) {
    let place = |class: &str| DOWN.iter().position(|one| *one == class);
    let mut moves: Vec<(usize, &str, i32)> = moves.iter().filter_map(|(class, at)| Some((place(class)?, *class, *at))).collect();
    moves.sort_unstable();
    moves.dedup_by_key(|(place, ..)| *place);
    for pair in moves.windows(2) {
        let [(_, higher, first), (_, lower, second)] = pair else { continue };
        if second <= first {
            wrong(
                member,
                format!("objects would go to {lower} before {higher}, or with it, and S3 moves them the other way only"),
                "moves in the order STANDARD_IA, INTELLIGENT_TIERING, ONEZONE_IA, GLACIER_IR, GLACIER, DEEP_ARCHIVE",
            );
        } else if infrequent(higher) && *second < first.saturating_add(INFREQUENT) {
            let what = format!("objects would go from {higher} to {lower} after {} days", second.saturating_sub(*first));
            wrong(member, what, "30 days or more in STANDARD_IA and ONEZONE_IA");
        }
    }
}

fn infrequent(class: &str) -> bool {
    matches!(class, "STANDARD_IA" | "ONEZONE_IA")
}

/// Days since 1970. A date that is none is said elsewhere.
fn day(date: &str) -> Option<i32> {
    let since = Date::constant(1970, 1, 1).until(date.parse::<Date>().ok()?).ok()?;
    Some(since.get_days())
}
