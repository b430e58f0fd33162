//! A live move of every shape of group, forward and back, with an application that writes all the time: no write is lost, and the way back leaves the account as
//! it was found.

use std::fmt;
use std::time::Duration;

use super::super::account::{Account, SECRET, TOKEN};
use super::super::gate::skip;
use super::super::moving::ground::sweep_on;
use super::application::Application;
use super::back::ask_of;
use super::ground::{Way, quietly};
use super::{APP, OLD, account_of, address, is_as_found, read_secret, write_secret};
use crate::execute::{End, Outcomes, Said};
use crate::hex;
use crate::kinds::testing::one_in;
use crate::sandbox::world::World;

/// A group as it was found, and what is wished of it.
#[derive(Clone, Copy)]
struct Variant {
    name: &'static str,
    group: &'static str,
    /// Whether its clients speak TLS, and log in.
    found: Access,
    wanted: Access,
    /// Beside encryption at rest.
    wish: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Plain,
    Tls,
    Token,
}

impl Access {
    fn url(self) -> String {
        match self {
            Access::Plain => "redis://".to_owned(),
            Access::Tls => "rediss://".to_owned(),
            Access::Token => format!("rediss://:{TOKEN}@"),
        }
    }
}

const KEY: &str = "kmsKeyId: 'arn:aws:kms:us-east-1:317805897534:key/11111111-2222-3333-4444-555555555555'";

const VARIANTS: [Variant; 11] = [
    Variant {
        name: "one node",
        group: "nodes: 1, engineVersion: 7.1.0",
        found: Access::Plain,
        wanted: Access::Token,
        wish: "enabled: true",
    },
    Variant {
        name: "three nodes in several zones",
        group: "nodes: 3, engineVersion: 7.0.7, automaticFailover: true, multiAz: true, primaries: {1: 3}",
        found: Access::Plain,
        wanted: Access::Token,
        wish: "enabled: true",
    },
    Variant {
        name: "shards without replicas",
        group: "clusterEnabled: true, shards: 2, nodes: 1, engineVersion: 7.1.0, automaticFailover: true",
        found: Access::Plain,
        wanted: Access::Token,
        wish: "enabled: true",
    },
    Variant {
        name: "shards with replicas, TLS and a token",
        group: "clusterEnabled: true, shards: 2, nodes: 2, engineVersion: 7.1.0, automaticFailover: true, transitEncryption: required",
        found: Access::Token,
        wanted: Access::Token,
        wish: "enabled: true",
    },
    Variant {
        name: "TLS and a token",
        group: "nodes: 2, engineVersion: 7.1.0, automaticFailover: true, transitEncryption: required",
        found: Access::Token,
        wanted: Access::Token,
        wish: "enabled: true",
    },
    Variant {
        name: "TLS alone",
        group: "nodes: 2, engineVersion: 7.0.7, automaticFailover: true, transitEncryption: required",
        found: Access::Tls,
        wanted: Access::Tls,
        wish: "enabled: true",
    },
    Variant {
        name: "plain text that stays",
        group: "nodes: 2, engineVersion: 7.1.0, automaticFailover: true",
        found: Access::Plain,
        wanted: Access::Plain,
        wish: "enabled: true",
    },
    Variant {
        name: "a parameter group of its own and a key",
        group: "nodes: 2, engineVersion: 7.1.0, automaticFailover: true, parameterGroup: tuned, snapshotRetentionLimit: 3, snapshotWindow: '01:00-02:00'",
        found: Access::Plain,
        wanted: Access::Token,
        wish: "KEY",
    },
    Variant {
        name: "Redis 6.2",
        group: "nodes: 2, engineVersion: 6.2.6, automaticFailover: true",
        found: Access::Plain,
        wanted: Access::Token,
        wish: "enabled: true",
    },
    Variant {
        name: "Valkey 7.2",
        group: "engine: valkey, nodes: 2, engineVersion: 7.2.6, automaticFailover: true",
        found: Access::Plain,
        wanted: Access::Token,
        wish: "enabled: true",
    },
    Variant {
        name: "Valkey 8 in cluster mode",
        group: "engine: valkey, clusterEnabled: true, shards: 2, nodes: 2, engineVersion: 8.0.1, automaticFailover: true",
        found: Access::Plain,
        wanted: Access::Tls,
        wish: "enabled: true",
    },
];

impl Variant {
    fn account(self) -> Option<Account> {
        let token = match self.found {
            Access::Token => format!(", auth: {{tokens: ['{}'], passwordless: false}}", hex::sha256(TOKEN)),
            Access::Tls | Access::Plain => String::new(),
        };
        let more = "kms:\n  keys:\n    11111111-2222-3333-4444-555555555555: {description: redis}\n";
        account_of(30, &format!("{}{token}, data: {{keys: 1000}}", self.group), more, "")
    }

    fn wish(self) -> String {
        let access = match self.wanted {
            Access::Plain => String::new(),
            Access::Tls => "transitEncryption: Required, ".to_owned(),
            Access::Token => format!("transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}}, "),
        };
        let at_rest = if self.wish == "KEY" { format!("enabled: true, {KEY}") } else { self.wish.to_owned() };
        format!(
            "{{name: {OLD}, atRestEncryption: {{{at_rest}}}, {access}
              migration: {{approved: true, freezeBudget: 2h, restoreTimeout: 3h, cutover: [{{secretsManager: {{secretArn: '{APP}'}}}}]}}}}"
        )
    }
}

/// So long a run cannot take.
const LONG: Duration = Duration::from_secs(300);

struct Run {
    variant: Variant,
    way: Way,
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {:?}", self.variant.name, self.way)
    }
}

/// The whole of a run; what a step is called, in the order in which they were done.
async fn run(variant: Variant, way: Way) -> Result<(), String> {
    let Some(account) = variant.account() else { return Ok(()) };
    let wish = variant.wish();
    let (host, port) = address(&account).await;
    write_secret(&account, &format!("{}{host}:{port}/0", variant.found.url()));
    let before = account.sandbox.world();
    let application = Application::start(&account, 3, Duration::from_millis(1));
    application.writes_more(400).await;

    let process = crate::reconcile::connected(&account.baseline(&wish), &account.connect).await.map_err(|error| error.to_string())?;
    let clock = account.sandbox.clock();
    let last = |said: &Said| {
        skip(said, &clock);
        way == Way::Back && matches!(said, Said::Done { step, .. } if step.starts_with("Prove once more"))
    };
    let forward = |said: &Said| {
        skip(said, &clock);
        false
    };
    let mut outcomes = account.apply_in(&process, &wish, last).await;
    if way != Way::Back {
        is(&outcomes, |end| *end == End::Changed)?;
        application.writes_more(200).await;
        let url = read_secret(&account.sandbox);
        if !url.starts_with(&variant.wanted.url()) || url.contains(&host) {
            return Err("the secret does not name the new group as it should".to_owned());
        }
    }
    if way != Way::There {
        ask_of(&account, &process, &wish, false).await;
        outcomes = account.apply_in(&process, &wish, forward).await;
        is(&outcomes, |end| matches!(end, End::RolledBack { .. }))?;
        application.writes_more(200).await;
        account.sandbox.edit(|world| world.elasticache.snapshots.clear());
        if variant.found == Access::Plain {
            is_as_found(&account);
        }
        let now = account.sandbox.world();
        let without_tags = |world: &World| {
            let state = &world.elasticache;
            let mut group = state.replication_groups[OLD].clone();
            group.tags.retain(|key, _| !key.starts_with("holdfast.dev/"));
            (group, state.parameter_groups.clone())
        };
        if without_tags(&now) != without_tags(&before) {
            return Err(format!("not as found: {:#?}", now.elasticache));
        }
    } else {
        let plan = account.plan(&wish).await;
        if !plan.in_sync() {
            return Err(format!("{:#?}", plan.resources));
        }
    }
    let lost = application.lost(&account).await;
    if lost.is_empty() { Ok(()) } else { Err(format!("lost: {lost:#?}")) }
}

fn is(outcomes: &Outcomes, wanted: impl Fn(&End) -> bool) -> Result<(), String> {
    match outcomes.resources.first() {
        Some(resource) if wanted(&resource.end) => Ok(()),
        other => Err(format!("{other:#?}, {:?}", outcomes.stopped)),
    }
}

#[test]
fn no_write_is_lost_whatever_the_group_is() {
    let runs: Vec<Run> =
        VARIANTS.iter().flat_map(|variant| [Way::There, Way::Back, Way::Return].map(|way| Run { variant: *variant, way })).collect();
    // A run takes seconds, most of which it waits.
    sweep_on(2, &one_in(60, runs), |one: &Run| {
        quietly(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let ended = tokio::time::timeout(LONG, run(one.variant, one.way)).await;
                ended.unwrap_or_else(|_| Err("it hangs".to_owned()))
            })
        })
        .and_then(|tried| tried)
    });
}
