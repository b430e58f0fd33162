//! The parameters of each family. [AWS documentation, "Valkey and Redis OSS parameters", "Memcached specific parameters"]

use super::super::engine::numbers;

/// A parameter of a family.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub default: &'static str,
    /// `integer` or `string`.
    pub data_type: &'static str,
    /// `yes,no`, `0-100`, `0-` or, for what is checked by its letters, their set; empty is anything.
    pub allowed: &'static str,
    pub modifiable: bool,
    /// Whether a change waits for a reboot (`requires-reboot`) or not (`immediate`).
    pub reboot: bool,
    /// The first engine version that knows it.
    pub since: &'static str,
    /// The engine's major version from which on it is gone or has another name; 0 is never.
    gone: u32,
}

const fn int(name: &'static str, default: &'static str, allowed: &'static str) -> Parameter {
    Parameter { name, default, data_type: "integer", allowed, modifiable: true, reboot: false, since: "2.8.6", gone: 0 }
}

const fn text(name: &'static str, default: &'static str, allowed: &'static str) -> Parameter {
    Parameter { name, default, data_type: "string", allowed, modifiable: true, reboot: false, since: "2.8.6", gone: 0 }
}

impl Parameter {
    const fn since(mut self, version: &'static str) -> Parameter {
        self.since = version;
        self
    }

    const fn gone(mut self, major: u32) -> Parameter {
        self.gone = major;
        self
    }

    const fn reboot(mut self) -> Parameter {
        self.reboot = true;
        self
    }

    const fn fixed(mut self) -> Parameter {
        self.modifiable = false;
        self
    }

    /// Whether the service would take this value.
    pub fn takes(&self, value: &str) -> bool {
        if self.name == "notify-keyspace-events" {
            return value.chars().all(|letter| "KEg$lshzxetdmnA".contains(letter));
        }
        if self.data_type == "integer" {
            let Ok(number) = value.parse::<i64>() else { return false };
            // The lower bound may itself be negative: `-1-100`.
            let (low, high) = self.allowed.rsplit_once('-').unwrap_or((self.allowed, ""));
            let low = low.parse::<i64>().unwrap_or(i64::MIN);
            let high = high.parse::<i64>().unwrap_or(i64::MAX);
            return (low..=high).contains(&number);
        }
        self.allowed.is_empty() || self.allowed.split(',').any(|word| word == value)
    }
}

const POLICIES: &str = "volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,volatile-ttl,noeviction";

const REDIS: &[Parameter] = &[
    int("acllog-max-len", "128", "1-10000").since("6.0.0"),
    text("activedefrag", "no", "yes,no").since("4.0.10"),
    int("active-defrag-cycle-max", "75", "1-75").since("4.0.10"),
    int("active-defrag-cycle-min", "5", "1-75").since("4.0.10"),
    int("active-defrag-ignore-bytes", "104857600", "1048576-").since("4.0.10"),
    int("active-defrag-max-scan-fields", "1000", "1-1000000").since("5.0.0"),
    int("active-defrag-threshold-lower", "10", "1-100").since("4.0.10"),
    int("active-defrag-threshold-upper", "100", "1-100").since("4.0.10"),
    int("active-expire-effort", "1", "1-10").since("6.0.0"),
    text("activerehashing", "yes", "yes,no").reboot(),
    text("appendfsync", "everysec", "always,everysec,no").fixed(),
    text("appendonly", "no", "yes,no").fixed(),
    int("client-output-buffer-limit-normal-hard-limit", "0", "0-"),
    int("client-output-buffer-limit-normal-soft-limit", "0", "0-"),
    int("client-output-buffer-limit-normal-soft-seconds", "0", "0-"),
    int("client-output-buffer-limit-pubsub-hard-limit", "33554432", "0-"),
    int("client-output-buffer-limit-pubsub-soft-limit", "8388608", "0-"),
    int("client-output-buffer-limit-pubsub-soft-seconds", "60", "0-"),
    int("client-query-buffer-limit", "1073741824", "1048576-1073741824").since("5.0.0"),
    text("close-on-replica-write", "yes", "yes,no").since("5.0.0"),
    text("close-on-slave-write", "yes", "yes,no").gone(5),
    text("cluster-allow-pubsubshard-when-down", "yes", "yes,no").since("7.0.0"),
    text("cluster-allow-reads-when-down", "no", "yes,no").since("6.0.0"),
    text("cluster-enabled", "no", "yes,no").reboot().since("3.2.4"),
    text("cluster-require-full-coverage", "no", "yes,no").since("3.2.4"),
    int("databases", "16", "1-1200000").reboot(),
    int("hash-max-listpack-entries", "512", "0-").since("7.0.0"),
    int("hash-max-listpack-value", "64", "0-").since("7.0.0"),
    int("hash-max-ziplist-entries", "512", "0-").gone(7),
    int("hash-max-ziplist-value", "64", "0-").gone(7),
    int("hll-sparse-max-bytes", "3000", "1-16000"),
    text("latency-tracking", "no", "yes,no").since("7.0.0"),
    text("lazyfree-lazy-eviction", "no", "yes,no").since("4.0.10"),
    text("lazyfree-lazy-expire", "no", "yes,no").since("4.0.10"),
    text("lazyfree-lazy-server-del", "no", "yes,no").since("4.0.10"),
    text("lazyfree-lazy-user-del", "no", "yes,no").since("6.0.0"),
    int("lfu-decay-time", "1", "0-").since("4.0.10"),
    int("lfu-log-factor", "10", "1-").since("4.0.10"),
    int("list-compress-depth", "0", "0-").since("3.2.4"),
    int("list-max-listpack-size", "-2", "-5-").since("7.0.0"),
    int("list-max-ziplist-size", "-2", "-5-").gone(7),
    int("lua-replicate-commands", "1", "0-1").fixed().gone(7),
    int("maxclients", "65000", "1-65000").fixed(),
    int("maxmemory-clients", "0", "0-").since("7.0.0"),
    text("maxmemory-policy", "volatile-lru", POLICIES),
    int("maxmemory-samples", "3", "1-"),
    int("min-replicas-max-lag", "10", "0-").since("5.0.0"),
    int("min-replicas-to-write", "0", "0-").since("5.0.0"),
    text("notify-keyspace-events", "", ""),
    int("proto-max-bulk-len", "536870912", "1048576-536870912").since("5.0.0"),
    text("rename-commands", "", "").since("5.0.3").gone(7),
    int("repl-backlog-size", "1048576", "16384-"),
    int("repl-backlog-ttl", "3600", "0-"),
    int("repl-timeout", "60", "11-60").fixed(),
    text("replica-allow-chaining", "no", "yes,no").since("5.0.0").fixed(),
    text("replica-lazy-flush", "yes", "yes,no").since("5.0.0").fixed(),
    int("reserved-memory-percent", "25", "0-100"),
    int("set-max-intset-entries", "512", "0-"),
    int("set-max-listpack-entries", "128", "0-").since("7.2.0"),
    int("slowlog-log-slower-than", "10000", "-1-"),
    int("slowlog-max-len", "128", "0-"),
    int("stream-node-max-bytes", "4096", "0-").since("5.0.0"),
    int("stream-node-max-entries", "100", "0-").since("5.0.0"),
    int("tcp-keepalive", "300", "0-"),
    int("timeout", "0", "0-"),
    int("tracking-table-max-keys", "1000000", "1-100000000").since("6.0.0"),
    int("zset-max-listpack-entries", "128", "0-").since("7.0.0"),
    int("zset-max-listpack-value", "64", "0-").since("7.0.0"),
    int("zset-max-ziplist-entries", "128", "0-").gone(7),
    int("zset-max-ziplist-value", "64", "0-").gone(7),
];

const MEMCACHED: &[Parameter] = &[
    int("backlog_queue_limit", "1024", "1-10000").fixed(),
    text("binding_protocol", "auto", "auto,binary,ascii").reboot(),
    text("cas_disabled", "0", "0,1").reboot(),
    int("chunk_size", "48", "1-1024").reboot(),
    text("chunk_size_growth_factor", "1.25", "").reboot(),
    text("disable_flush_all", "0", "0,1").reboot(),
    text("error_on_memory_exhausted", "0", "0,1").reboot(),
    int("idle_timeout", "0", "0-86400").reboot(),
    int("max_item_size", "1048576", "1048576-1073741824").reboot(),
    int("max_simultaneous_connections", "65000", "3-65000").fixed(),
    int("memcached_connections_overhead", "100", "0-").reboot(),
];

/// The parameters of a family, by name.
pub fn of(family: &str) -> Vec<&'static Parameter> {
    if family.starts_with("memcached") {
        return MEMCACHED.iter().collect();
    }
    // The newest version that a family holds decides what is in it: `redis6.x` knows what came with 6.2.
    let version = family.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).trim_end_matches(".x");
    let [major, _, _] = numbers(version);
    let newest = [major, u32::MAX, u32::MAX];
    // Redis 7 ended with 7.1; what came with 7.2 is Valkey's.
    let newest = if family == "redis7" { [7, 1, u32::MAX] } else { newest };
    let mut parameters: Vec<&Parameter> =
        REDIS.iter().filter(|one| numbers(one.since) <= newest && (one.gone == 0 || major < one.gone)).collect();
    parameters.sort_by_key(|one| one.name);
    parameters
}

pub fn find(family: &str, name: &str) -> Option<&'static Parameter> {
    of(family).into_iter().find(|one| one.name == name)
}
