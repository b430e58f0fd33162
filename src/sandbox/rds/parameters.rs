//! The parameters of each family: what RDS documents of them, and which values it takes.

use std::collections::BTreeMap;

/// A parameter of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub description: &'static str,
    /// Whether a change needs a reboot.
    pub is_static: bool,
    pub data_type: &'static str,
    /// `0,1`, `-1-2147483647`; empty: anything.
    pub allowed: &'static str,
    pub modifiable: bool,
    /// The value that the family's default group shows; None: none is shown, the engine's own applies.
    pub default: Option<&'static str>,
    /// Whether RDS sets that default (`system`), or the engine has it (`engine-default`).
    pub set_by_rds: bool,
}

impl Parameter {
    pub fn apply_type(&self) -> &'static str {
        if self.is_static { "static" } else { "dynamic" }
    }

    /// Whether RDS takes `value`. A formula (`{DBInstanceClassMemory/32768}`) is taken where a number is.
    pub fn takes(&self, value: &str) -> bool {
        if self.allowed.is_empty() || (self.data_type == "integer" && formula(value)) {
            return true;
        }
        if self.data_type == "list" {
            return value.split(',').map(str::trim).all(|item| self.allowed.split(',').any(|allowed| allowed == item));
        }
        self.allowed.split(',').any(|allowed| allowed == value)
            || range(self.allowed).is_some_and(|(low, high)| value.parse::<f64>().is_ok_and(|number| low <= number && number <= high))
    }
}

/// `-1-2147483647` as its two ends.
fn range(allowed: &str) -> Option<(f64, f64)> {
    let dash = allowed.get(1..)?.find('-')? + 1;
    Some((allowed.get(..dash)?.parse().ok()?, allowed.get(dash + 1..)?.parse().ok()?))
}

fn formula(value: &str) -> bool {
    let balanced = value.matches('{').count() == value.matches('}').count() && value.matches('(').count() == value.matches(')').count();
    balanced && ["{DBInstanceClassMemory", "{AllocatedStorage", "{DBInstanceVCPU"].iter().any(|start| value.contains(start))
}

/// The parameters of `family`, by name; None for a family that is not offered here.
pub fn of(family: &str) -> Option<Vec<Parameter>> {
    let mut parameters: Vec<Parameter> = match family {
        "mysql8.0" => MYSQL.iter().map(row).collect(),
        "postgres13" | "postgres14" | "postgres15" | "postgres16" | "postgres17" => {
            let major: u32 = family.strip_prefix("postgres")?.parse().ok()?;
            POSTGRES.iter().map(row).map(|parameter| of_version(parameter, major)).collect()
        }
        _ => return None,
    };
    parameters.sort_by_key(|parameter| parameter.name);
    Some(parameters)
}

/// What a database of `family` runs with, given the values beyond the defaults. Unset parameters without a default are left out.
pub fn effective(family: &str, set: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let defaults =
        of(family).unwrap_or_default().into_iter().filter_map(|parameter| Some((parameter.name.to_owned(), parameter.default?.to_owned())));
    defaults.chain(set.clone()).collect()
}

/// What differs between PostgreSQL's major versions.
fn of_version(parameter: Parameter, major: u32) -> Parameter {
    match parameter.name {
        // User guide, "Requiring an SSL connection to a PostgreSQL DB instance": on by default from 15; and no longer static.
        "rds.force_ssl" if major >= 15 => Parameter { is_static: false, default: Some("1"), set_by_rds: true, ..parameter },
        "password_encryption" if major >= 14 => Parameter { default: Some("scram-sha-256"), set_by_rds: true, ..parameter },
        "log_checkpoints" if major >= 15 => Parameter { default: Some("1"), ..parameter },
        "ssl_min_protocol_version" if major < 14 => Parameter { default: Some("TLSv1"), ..parameter },
        // Came with 15.
        "log_startup_progress_interval" if major < 15 => Parameter { modifiable: false, ..parameter },
        _ => parameter,
    }
}

type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, Option<&'static str>);

/// Name, flags (`s`tatic, `d`ynamic, `-` not modifiable, `r` default set by RDS), data type, allowed values, description, default.
fn row(&(name, flags, data_type, allowed, description, default): &Row) -> Parameter {
    Parameter {
        name,
        description,
        is_static: flags.contains('s'),
        data_type,
        allowed,
        modifiable: !flags.contains('-'),
        default,
        set_by_rds: flags.contains('r'),
    }
}

#[rustfmt::skip]
const POSTGRES: &[Row] = &[
    ("autovacuum", "dr", "boolean", "0,1", "Starts the autovacuum subprocess.", Some("1")),
    ("autovacuum_naptime", "d", "integer", "1-2147483", "(s) Time to sleep between autovacuum runs.", Some("15")),
    ("client_encoding", "d", "string", "", "Sets the clients character set encoding.", None),
    ("deadlock_timeout", "d", "integer", "1-2147483647", "(ms) Sets the time to wait on a lock before checking for deadlock.", None),
    ("effective_cache_size", "dr", "integer", "1-2147483647", "(8kB) Sets the planners assumption about the size of the disk cache.", Some("{DBInstanceClassMemory/16384}")),
    ("idle_in_transaction_session_timeout", "dr", "integer", "0-2147483647", "(ms) Sets the maximum allowed duration of any idling transaction.", Some("86400000")),
    ("log_autovacuum_min_duration", "dr", "integer", "-1-2147483647", "(ms) Sets the minimum execution time above which autovacuum actions will be logged.", Some("10000")),
    ("log_checkpoints", "dr", "boolean", "0,1", "Logs each checkpoint.", Some("1")),
    ("log_connections", "d", "boolean", "0,1", "Logs each successful connection.", None),
    ("log_disconnections", "d", "boolean", "0,1", "Logs end of a session, including duration.", None),
    ("log_duration", "d", "boolean", "0,1", "Logs the duration of each completed SQL statement.", None),
    ("log_error_verbosity", "d", "string", "terse,default,verbose", "Sets the verbosity of logged messages.", None),
    ("log_line_prefix", "dr-", "string", "", "Controls information prefixed to each log line.", Some("%t:%r:%u@%d:[%p]:")),
    ("log_lock_waits", "d", "boolean", "0,1", "Logs long lock waits.", None),
    ("log_min_duration_statement", "d", "integer", "-1-2147483647", "(ms) Sets the minimum execution time above which statements will be logged.", None),
    ("log_min_messages", "d", "string", "debug5,debug4,debug3,debug2,debug1,info,notice,warning,error,log,fatal,panic", "Sets the message levels that are logged.", None),
    ("log_rotation_age", "dr", "integer", "1-1440", "(min) Automatic log file rotation will occur after N minutes.", Some("60")),
    ("log_startup_progress_interval", "d", "integer", "0-2147483647", "(ms) Time between progress updates for long-running startup operations.", None),
    ("log_statement", "d", "string", "none,ddl,mod,all", "Sets the type of statements logged.", None),
    ("log_temp_files", "d", "integer", "-1-2147483647", "(kB) Logs the use of temporary files larger than this number of kilobytes.", None),
    ("maintenance_work_mem", "dr", "integer", "1024-2147483647", "(kB) Sets the maximum memory to be used for maintenance operations.", Some("GREATEST({DBInstanceClassMemory*1024/63963136},65536)")),
    ("max_connections", "sr", "integer", "6-8388607", "Sets the maximum number of concurrent connections.", Some("LEAST({DBInstanceClassMemory/9531392},5000)")),
    ("max_replication_slots", "sr", "integer", "20-262143", "Sets the maximum number of replication slots that the server can support.", Some("20")),
    ("max_wal_senders", "sr", "integer", "20-262143", "Sets the maximum number of simultaneously running WAL sender processes.", Some("20")),
    ("password_encryption", "d", "string", "md5,scram-sha-256", "Encrypt passwords.", Some("md5")),
    ("pgaudit.log", "d", "list", "all,ddl,function,misc,none,read,role,write", "Specifies which classes of statements will be logged by session audit logging.", None),
    ("rds.force_ssl", "sr", "boolean", "0,1", "Force SSL connections.", Some("0")),
    ("rds.log_retention_period", "dr", "integer", "1440-10080", "Amazon RDS will delete PostgreSQL log that are older than N minutes.", Some("4320")),
    ("rds.logical_replication", "sr", "boolean", "0,1", "Enables logical decoding.", Some("0")),
    ("rds.restrict_password_commands", "s", "boolean", "0,1", "Restricts password-related commands to members of rds_password.", None),
    ("shared_buffers", "sr", "integer", "16-1073741823", "(8kB) Sets the number of shared memory buffers used by the server.", Some("{DBInstanceClassMemory/32768}")),
    ("shared_preload_libraries", "sr", "list", "auto_explain,orafce,pgaudit,pglogical,pg_bigm,pg_cron,pg_hint_plan,pg_prewarm,pg_similarity,pg_stat_statements,pg_tle,pg_transport,plprofiler,plrust", "Lists shared libraries to preload into server.", Some("pg_stat_statements")),
    ("ssl", "sr-", "boolean", "0,1", "Enables SSL connections.", Some("1")),
    ("ssl_min_protocol_version", "d", "string", "TLSv1,TLSv1.1,TLSv1.2,TLSv1.3", "Sets the minimum SSL/TLS protocol version to use.", Some("TLSv1.2")),
    ("statement_timeout", "d", "integer", "0-2147483647", "(ms) Sets the maximum allowed duration of any statement.", None),
    ("synchronous_commit", "dr", "string", "local,on,off", "Sets the current transactions synchronization level.", Some("on")),
    ("tcp_keepalives_idle", "dr", "integer", "0-2147483647", "(s) Time between issuing TCP keepalives.", Some("300")),
    ("track_activity_query_size", "sr", "integer", "100-1048576", "(B) Sets the size reserved for pg_stat_activity.current_query, in bytes.", Some("4096")),
    ("track_io_timing", "dr", "boolean", "0,1", "Collects timing statistics on database IO activity.", Some("1")),
    ("work_mem", "d", "integer", "64-2147483647", "(kB) Sets the maximum memory to be used for query workspaces.", None),
];

#[rustfmt::skip]
const MYSQL: &[Row] = &[
    ("binlog_format", "dr", "string", "ROW,STATEMENT,MIXED", "Binary logging format for replication", Some("MIXED")),
    ("general_log", "d", "boolean", "0,1", "Whether the general query log is enabled", None),
    ("innodb_buffer_pool_size", "dr", "integer", "5242880-9223372036854775807", "The size in bytes of the memory buffer innodb uses to cache data and indexes of its tables", Some("{DBInstanceClassMemory*3/4}")),
    ("local_infile", "dr", "boolean", "0,1", "Controls whether LOCAL is supported for LOAD DATA INFILE", Some("1")),
    ("log_output", "dr", "string", "TABLE,FILE,NONE", "Controls where to store query logs", Some("FILE")),
    ("long_query_time", "d", "float", "0-31536000", "Defines what MySQL considers long queries", None),
    ("max_connections", "dr", "integer", "1-100000", "The number of simultaneous client connections allowed.", Some("{DBInstanceClassMemory/12582880}")),
    ("performance_schema", "sr", "boolean", "0,1", "Enables or disables the Performance Schema", Some("0")),
    ("require_secure_transport", "d", "boolean", "0,1", "Whether client connections to the server are required to use some form of secure transport.", Some("0")),
    ("slow_query_log", "d", "boolean", "0,1", "Enable or disable the slow query log", None),
    ("tls_version", "s", "list", "TLSv1.2,TLSv1.3", "Permitted protocols for encrypted connections", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(family: &str, name: &str) -> Parameter {
        of(family).unwrap().into_iter().find(|parameter| parameter.name == name).unwrap()
    }

    #[test]
    fn force_ssl_became_dynamic_and_on() {
        let (old, new) = (parameter("postgres14", "rds.force_ssl"), parameter("postgres15", "rds.force_ssl"));
        assert_eq!((old.apply_type(), old.default), ("static", Some("0")));
        assert_eq!((new.apply_type(), new.default), ("dynamic", Some("1")));
    }

    #[test]
    fn allowed_values_are_lists_ranges_and_formulas() {
        assert!(parameter("postgres14", "log_min_duration_statement").takes("-1"));
        assert!(!parameter("postgres14", "log_min_duration_statement").takes("-2"));
        assert!(!parameter("postgres14", "log_min_duration_statement").takes("often"));
        assert!(parameter("postgres14", "max_connections").takes("LEAST({DBInstanceClassMemory/9531392},5000)"));
        assert!(!parameter("postgres14", "max_connections").takes("{DBInstanceClassMemory"));
        assert!(parameter("postgres14", "shared_preload_libraries").takes("pgaudit, pg_stat_statements"));
        assert!(!parameter("postgres14", "shared_preload_libraries").takes("pgaudit,evil"));
        assert!(!parameter("postgres14", "rds.force_ssl").takes("on"));
        assert!(parameter("mysql8.0", "long_query_time").takes("0.5"));
        assert!(!parameter("postgres14", "autovacuum_naptime").takes("0"));
    }

    #[test]
    fn every_default_is_taken_and_every_family_listed() {
        for family in super::super::engines::FAMILIES {
            for parameter in of(family).unwrap() {
                assert!(parameter.default.is_none_or(|value| parameter.takes(value)), "{family} {}", parameter.name);
            }
        }
    }
}
