//! The teeth of the invariants: each is missed where the code is broken on purpose. What broken code would send is put in the place of what holdfast sends, or
//! before it. What holdfast asks of the nodes has its own: every rule of the protocol has a test that fails without it, under `migration::tests`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use super::super::account::Account;
use super::super::gate::operation;
use super::super::invariants::{BACK, FENCED, Invariants, KEPT, ONE, OWNED, STRONG, UNTOUCHED};
use super::ground::{Course, block_on, ended, found, same, wish};
use crate::kinds::testing::one_in;
use crate::sandbox::faults::{Fault, Faults};

/// A terminal state leaves exactly the resources it declares.
const END: &str = "the end is what it declares";
/// A lost journal is rebuilt from tags or halts with instructions.
const JOURNAL: &str = "a lost journal is rebuilt";

/// What goes out where holdfast sends this: the operation, and the body.
#[derive(Debug)]
enum Sent {
    AsItIs,
    Instead(String),
    Before(String),
}

type Broken = fn(&str, &str) -> Sent;

const TARGET: &str = "huntaze-redis-72348fb3";

fn query(action: &str, members: &str) -> String {
    format!("Action={action}&Version=2015-02-02&{members}")
}

/// What broken code does, what it breaks, and on which way.
const MUTATIONS: [(&str, &str, Course, Broken); 19] = [
    ("deletes the old group before its snapshot is there", KEPT, Course::There, |what, _| match what {
        "CreateSnapshot" => Sent::Before(query("DeleteReplicationGroup", "ReplicationGroupId=huntaze-redis")),
        _ => Sent::AsItIs,
    }),
    ("deletes the new group once it serves", KEPT, Course::There, |what, body| match what {
        "DeleteReplicationGroup"
            if body.contains("ReplicationGroupId=huntaze-redis&") || body.ends_with("ReplicationGroupId=huntaze-redis") =>
        {
            Sent::Before(query("DeleteReplicationGroup", &format!("ReplicationGroupId={TARGET}")))
        }
        _ => Sent::AsItIs,
    }),
    ("changes a setting of the old group", UNTOUCHED, Course::There, |what, _| match what {
        "CreateReplicationGroup" => Sent::Before(query(
            "ModifyReplicationGroup",
            "ReplicationGroupId=huntaze-redis&ReplicationGroupDescription=moving&ApplyImmediately=true",
        )),
        _ => Sent::AsItIs,
    }),
    ("makes the new group twice", ONE, Course::There, |what, body| match what {
        // Empty: the snapshot is for one at a time.
        "CreateReplicationGroup" => {
            let body = without(body, "SnapshotName=");
            Sent::Before(body.replace(&format!("ReplicationGroupId={TARGET}"), "ReplicationGroupId=huntaze-redis-72348fb4"))
        }
        _ => Sent::AsItIs,
    }),
    ("takes a second snapshot", ONE, Course::There, |what, _| match what {
        "CreateReplicationGroup" => {
            Sent::Before(query("CreateSnapshot", &format!("SnapshotName={TARGET}-1-2&CacheClusterId=huntaze-redis-001")))
        }
        _ => Sent::AsItIs,
    }),
    ("deletes every lock that begins alike", OWNED, Course::There, |what, _| match what {
        "DeleteCacheParameterGroup" => Sent::Before(query("DeleteCacheParameterGroup", "CacheParameterGroupName=holdfast-move-other-1")),
        _ => Sent::AsItIs,
    }),
    ("deletes a group whose name begins alike, on the way back", OWNED, Course::Back, |what, _| match what {
        "DeleteReplicationGroup" => Sent::Before(query("DeleteReplicationGroup", "ReplicationGroupId=huntaze-redis-other")),
        _ => Sent::AsItIs,
    }),
    ("restores without a token", STRONG, Course::There, |what, body| match what {
        "CreateReplicationGroup" => Sent::Instead(without(body, "AuthToken=")),
        _ => Sent::AsItIs,
    }),
    ("restores without encryption at rest", STRONG, Course::There, |what, body| match what {
        "CreateReplicationGroup" => Sent::Instead(body.replace("AtRestEncryptionEnabled=true", "AtRestEncryptionEnabled=false")),
        _ => Sent::AsItIs,
    }),
    ("lets plain text in", STRONG, Course::There, |what, body| match what {
        // AWS takes no token with that.
        "CreateReplicationGroup" => {
            let body = without(body, "AuthToken=");
            Sent::Instead(body.replace("TransitEncryptionMode=required", "TransitEncryptionMode=preferred"))
        }
        _ => Sent::AsItIs,
    }),
    ("lets the new group serve on the way back", BACK, Course::Back, |what, _| match what {
        "a sign of life" => Sent::Before(query(
            "AddTagsToResource",
            &format!(
                "ResourceName=arn%3Aaws%3Aelasticache%3Aus-east-1%3A317805897534%3Areplicationgroup%3A{TARGET}\
                 &Tags.Tag.1.Key=holdfast.dev%2Fserves&Tags.Tag.1.Value=x"
            ),
        )),
        _ => Sent::AsItIs,
    }),
    ("begins another attempt on the way back", BACK, Course::Back, |what, _| match what {
        "DeleteReplicationGroup" => {
            Sent::Before(query("CreateSnapshot", &format!("SnapshotName={TARGET}-1-2&CacheClusterId=huntaze-redis-001")))
        }
        _ => Sent::AsItIs,
    }),
    ("gives the old group another parameter group before the commit", FENCED, Course::There, |what, _| match what {
        "CreateReplicationGroup" => Sent::Before(query(
            "ModifyReplicationGroup",
            "ReplicationGroupId=huntaze-redis&CacheParameterGroupName=holdfast-move-other-1&ApplyImmediately=true",
        )),
        _ => Sent::AsItIs,
    }),
    ("fences with what refuses no write", FENCED, Course::There, |what, body| match what {
        "ModifyReplicationGroup" if body.contains("CacheParameterGroupName=holdfast-fence-") => Sent::Before(query(
            "ModifyCacheParameterGroup",
            &format!(
                "CacheParameterGroupName=holdfast-fence-{TARGET}-1&ParameterNameValues.ParameterNameValue.1.ParameterName=min-replicas-to-write\
                 &ParameterNameValues.ParameterNameValue.1.ParameterValue=0"
            ),
        )),
        _ => Sent::AsItIs,
    }),
    ("fences the old group when it is what counts again", FENCED, Course::Return, |what, _| match what {
        "DeleteReplicationGroup" => Sent::Before(query(
            "ModifyReplicationGroup",
            &format!("ReplicationGroupId=huntaze-redis&CacheParameterGroupName=holdfast-fence-{TARGET}-1&ApplyImmediately=true"),
        )),
        _ => Sent::AsItIs,
    }),
    ("deletes the old cluster before its snapshot is there", KEPT, Course::AloneThere, |what, _| match what {
        "CreateSnapshot" => Sent::Before(query("DeleteCacheCluster", "CacheClusterId=huntaze-redis")),
        _ => Sent::AsItIs,
    }),
    ("changes a setting of the old cluster", UNTOUCHED, Course::AloneThere, |what, _| match what {
        "CreateReplicationGroup" => Sent::Before(query("ModifyCacheCluster", "CacheClusterId=huntaze-redis&SnapshotRetentionLimit=9")),
        _ => Sent::AsItIs,
    }),
    ("deletes a cluster whose name begins alike", OWNED, Course::AloneThere, |what, _| match what {
        "DeleteCacheCluster" => Sent::Before(query("DeleteCacheCluster", "CacheClusterId=huntaze-redis-alone")),
        _ => Sent::AsItIs,
    }),
    ("leaves a parameter group behind", END, Course::There, |what, _| match what {
        "DeleteCacheParameterGroup" => Sent::Before(query(
            "CreateCacheParameterGroup",
            "CacheParameterGroupName=left-over&CacheParameterGroupFamily=redis7&Description=left",
        )),
        _ => Sent::AsItIs,
    }),
];

/// A body without the members that begin so.
fn without(body: &str, begins: &str) -> String {
    body.split('&').filter(|member| !member.starts_with(begins)).collect::<Vec<&str>>().join("&")
}

/// The invariants that do not hold at some event of a run with this broken code.
fn broken_by(course: Course, broken: Broken) -> BTreeSet<&'static str> {
    let mut account = Account::with(course.begin(), Faults::default());
    account.connect.embedded = Some(SharedHttpClient::new(Client { inner: account.sandbox.http_client(), broken }));
    let (invariants, missed) = (Arc::new(Invariants::of(Arc::new(course.found()))), Arc::new(Mutex::new(BTreeSet::new())));
    let into = Arc::clone(&missed);
    account.watch = Some(Arc::new(move |world| {
        into.lock().unwrap().extend(invariants.broken(world).into_iter().map(|(name, _)| name));
    }));
    let outcomes = block_on(course.run(&account));
    let mut missed = missed.lock().unwrap().clone();
    if course.good(&outcomes).is_ok() && same(&course.reference().end, &course.end(&account)).is_err() {
        missed.insert(END);
    }
    missed
}

#[test]
fn every_invariant_is_missed_where_the_code_is_broken() {
    for course in Course::ALL {
        assert_eq!(broken_by(course, |_, _| Sent::AsItIs), BTreeSet::new(), "{course:?}, not broken");
    }
    for (mutation, invariant, course, broken) in one_in(10, MUTATIONS.to_vec()) {
        let missed = broken_by(course, broken);
        assert!(missed.contains(invariant), "code that {mutation}: {missed:?}");
    }
    let shown: BTreeSet<&str> = MUTATIONS.iter().map(|(_, invariant, ..)| *invariant).chain([JOURNAL]).collect();
    assert_eq!(shown, [KEPT, UNTOUCHED, FENCED, ONE, OWNED, STRONG, BACK, END, JOURNAL].into());
}

/// Where the new group is made without its tags, another process with an empty journal cannot know it for its own.
#[test]
fn a_journal_that_is_lost_is_missed_where_tags_are() {
    let untagged: Broken = |what, body| match what {
        "CreateReplicationGroup" => Sent::Instead(without(body, "Tags.")),
        _ => Sent::AsItIs,
    };
    let whole = Course::There.reference();
    let made = whole.writes.iter().find(|write| write.operation == "CreateReplicationGroup").unwrap().number;
    for (broken, rebuilt) in [((|_, _| Sent::AsItIs) as Broken, true), (untagged, false)] {
        let mut first = Account::with(found(), Faults::once(made, Fault::EndAfter));
        first.connect.embedded = Some(SharedHttpClient::new(Client { inner: first.sandbox.http_client(), broken }));
        assert!(block_on(ended(&first, &wish())).is_none());
        let arrived = Course::There.arrives(first.sandbox.world(), &first.sandbox.recorded());
        assert_eq!(arrived.is_ok(), rebuilt, "{JOURNAL}: {arrived:?}");
    }
}

#[derive(Clone)]
struct Client {
    inner: SharedHttpClient,
    broken: Broken,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a broken client")
    }
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { inner: self.inner.http_connector(settings, components), broken: self.broken })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    broken: Broken,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        match (self.broken)(&operation(&request), &body) {
            Sent::AsItIs => self.inner.call(request),
            Sent::Instead(body) => self.inner.call(with(&request, body)),
            Sent::Before(body) => {
                let (inner, before) = (self.inner.clone(), with(&request, body));
                HttpConnectorFuture::new(async move {
                    let _ = inner.call(before).await;
                    inner.call(request).await
                })
            }
        }
    }
}

fn with(request: &HttpRequest, body: String) -> HttpRequest {
    let mut other = request.try_clone().expect("a body in memory");
    other.headers_mut().insert("content-length", body.len().to_string());
    *other.body_mut() = SdkBody::from(body);
    other
}
