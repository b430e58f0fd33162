//! Who may do what on a node: ElastiCache's AUTH as ACLs.

use super::wanted::Group;

/// The user as whom the sandbox itself commands the nodes.
pub const ADMIN: &str = "sandbox";
/// The user of those who connect without a password while tokens are valid too. The default user cannot be both: Redis refuses AUTH to a default
/// user without a password.
pub const ANONYMOUS: &str = "anonymous";

/// What ElastiCache keeps from its users. [docs.aws.amazon.com/AmazonElastiCache/latest/dg/ClientConfig.RestrictedCommands.html; psync as sync's other
/// name; module and failover need what no user has there]
const FORBIDDEN: &[&str] = &[
    "bgrewriteaof",
    "bgsave",
    "config",
    "debug",
    "failover",
    "migrate",
    "module",
    "psync",
    "replicaof",
    "save",
    "shutdown",
    "slaveof",
    "sync",
];

/// Commands of which a part is kept from users: who may log in, and what a cluster looks like, are the service's. The rest is named one by one,
/// because 6.2 cannot take away a part.
const PARTLY: &[(&str, &[&str])] = &[
    ("acl", &["cat", "genpass", "getuser", "help", "list", "users", "whoami"]),
    ("cluster", &["countkeysinslot", "getkeysinslot", "help", "info", "keyslot", "myid", "nodes", "replicas", "shards", "slaves", "slots"]),
];

/// Passwords of the sandbox's own, random.
#[derive(Clone)]
pub struct Passwords {
    pub admin: String,
    pub anonymous: String,
}

impl Passwords {
    pub fn random() -> Passwords {
        let word = || (0..32).map(|_| fastrand::alphanumeric()).collect();
        Passwords { admin: word(), anonymous: word() }
    }
}

/// Whether both are let in: those with a token and those without.
pub fn both(group: &Group) -> bool {
    group.passwordless && !group.tokens.is_empty()
}

/// Every user with its rules, for `ACL SETUSER` and for a configuration file. `major` is the server's version: 7 knows `cluster shards`.
pub fn users(group: &Group, passwords: &Passwords, major: u32) -> Vec<(&'static str, Vec<String>)> {
    let mut commands: Vec<String> = ["~*", "&*", "+@all"].map(str::to_owned).to_vec();
    commands.extend(FORBIDDEN.iter().map(|name| format!("-{name}")));
    for (name, parts) in PARTLY {
        commands.push(format!("-{name}"));
        let known = parts.iter().filter(|part| major >= 7 || **part != "shards");
        commands.extend(known.map(|part| format!("+{name}|{part}")));
    }
    let user = |head: Vec<String>| -> Vec<String> { ["reset".to_owned()].into_iter().chain(head).chain(commands.clone()).collect() };
    let on = || "on".to_owned();
    let default = if group.tokens.is_empty() {
        user(vec![on(), "nopass".to_owned()])
    } else {
        user([on()].into_iter().chain(group.tokens.iter().map(|token| format!("#{token}"))).collect())
    };
    // Who came in so stays in when the door is closed.
    let state = if both(group) { on() } else { "off".to_owned() };
    let anonymous = user(vec![state, format!(">{}", passwords.anonymous)]);
    let admin = ["reset", "on", &format!(">{}", passwords.admin), "~*", "&*", "+@all"].map(str::to_owned).to_vec();
    vec![(ADMIN, admin), (ANONYMOUS, anonymous), ("default", default)]
}
