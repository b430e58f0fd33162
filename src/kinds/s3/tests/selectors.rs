//! Which buckets a selector chooses, and what is said of one that chooses none.

use super::*;

#[tokio::test]
async fn a_selector_finds_its_buckets_page_by_page() {
    let tagged = "{tags: {env: prod}}";
    let sandbox = sandbox(&format!(
        "s3: {{buckets: {{huntaze-a: {tagged}, huntaze-b: {tagged}, huntaze-c: {{}}, huntaze-d: {tagged}, other: {tagged}}}}}"
    ));
    let wish = "{buckets: [{name: all, match: {names: ['huntaze-*'], except: [huntaze-b], tags: {env: prod}}, versioning: Enabled}]}";
    let before = converges(&sandbox, wish).await;
    let ids: Vec<_> = before.resources.iter().map(|one| one.key.id.as_str()).collect();
    assert_eq!(ids, ["huntaze-a", "huntaze-d"]);
}

#[tokio::test]
async fn a_selector_chooses_among_the_buckets_of_its_region() {
    let sandbox =
        sandbox("s3: {buckets: {huntaze-a: {}, huntaze-eu: {region: eu-west-1, tags: {env: prod}}, huntaze-z: {tags: {env: prod}}}}");
    let before = converges(&sandbox, "{buckets: [{name: all, match: {names: ['huntaze-*']}, versioning: Enabled}]}").await;
    let ids = |plan: &Plan| plan.resources.iter().map(|one| one.key.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&before), ["huntaze-a", "huntaze-z"]);
    let tagged = plan(&sandbox, "{buckets: [{name: all, match: {names: ['*'], tags: {env: prod}}, ownership: ObjectWriter}]}").await;
    assert_eq!(ids(&tagged), ["huntaze-z"]);
}

#[tokio::test]
async fn a_selector_that_chooses_nothing_is_warned_of() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}}}");
    let wish = |names: &str| format!("{{buckets: [{{name: all, match: {{names: ['{names}']}}, versioning: Enabled}}]}}");
    let warned = plan(&sandbox, &wish("hundaze-*")).await.warnings;
    assert!(warned.len() == 1 && warned[0].contains("the selector of s3.buckets/all chooses nothing"), "{warned:?}");
    assert_eq!(plan(&sandbox, &wish("huntaze-*")).await.warnings, Vec::<String>::new());
}

/// A misspelt exception changes what was to be left alone, and a bucket of another region is nobody's.
#[tokio::test]
async fn a_pattern_that_meets_nothing_is_warned_of() {
    let account =
        "s3: {buckets: {huntaze-assets: {}, huntaze-logs: {}, huntaze-eu: {region: eu-west-1}, huntaze-eu-logs: {region: eu-west-1}}}";
    let sandbox = sandbox(account);
    let warned = async |selector: &str, more: &str| {
        let wish = format!("{{buckets: [{{name: all, match: {selector}, versioning: Enabled}}{more}]}}");
        plan(&sandbox, &wish).await.warnings
    };
    let elsewhere = "the selector of s3.buckets/all passes over what it names in other regions (huntaze-eu in eu-west-1, huntaze-eu-logs in eu-west-1): \
                     nobody looks after it but an object for its region";
    assert_eq!(warned("{names: ['huntaze-*']}", "").await, [elsewhere]);
    // An exception may name what is elsewhere, and what only an entry names.
    assert_eq!(warned("{names: ['*'], except: ['*-eu*']}", "").await, Vec::<String>::new());
    let missing = warned("{names: ['*'], except: ['*-eu*', huntaze-gone]}", ", {name: huntaze-gone, versioning: Enabled}").await;
    assert_eq!(missing, Vec::<String>::new());
    let misspelt = warned("{names: ['*'], except: ['*-eu*', huntaze-lgos]}", "").await;
    let said = "\"huntaze-lgos\" under `except` of s3.buckets/all names nothing that is there now, and excepts nothing: did you mean \"huntaze-logs\"? \
                correct it, unless that is meant";
    assert_eq!(misspelt, [said]);
    let one_of_two = warned("{names: [huntaze-assets, hundaze-logs]}", "").await;
    let said = "\"hundaze-logs\" in the selector of s3.buckets/all names nothing that is there now: did you mean \"huntaze-logs\"? \
                correct it, unless that is meant";
    assert_eq!(one_of_two, [said]);
    let tags = warned("{names: ['*-eu'], tags: {env: prod}}", "").await;
    assert_eq!(tags.len(), 2, "{tags:?}");
    assert!(tags[1].contains("(huntaze-eu in eu-west-1; their tags were not read)"), "{tags:?}");
}
