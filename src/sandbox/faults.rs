//! What goes wrong between a client and AWS, on purpose: at numbered calls, or at any call from a seed.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::call::{Operation, Refusal};
use super::dispatch::Service;
use super::world::World;
use crate::clock::later;

/// One thing that goes wrong with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused with the service's own code for too many requests.
    Throttle,
    /// Refused with a 500.
    ServerError,
    /// The connection is cut before the request reaches the service.
    CutBefore,
    /// The request takes effect, then the connection is cut.
    CutAfter,
    /// A reading request is answered from the account as it was 10 s before the last write.
    StaleRead,
    /// Refused for want of permission.
    Denied,
    /// Answered only after this time on the sandbox's clock.
    Slow(Duration),
    /// The process ends before the request takes effect.
    EndBefore,
    /// The process ends after the request took effect, before its answer is seen.
    EndAfter,
}

/// How old a stale read is. Longer than any client waits between a write and the read that confirms it.
const STALE: Duration = Duration::from_secs(10);

/// How many writes back a stale read can look.
const PAST: usize = 64;

/// How long a call takes that is slow without saying how slow.
const SLOW: Duration = Duration::from_secs(5);

/// What goes wrong in a sandbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// At calls by number, from 1.
    pub at: Vec<(u64, Fault)>,
    /// Operations that are always refused: `GetBucketPolicy`, `s3:GetBucketPolicy`, `s3:*`.
    pub denied: Vec<String>,
    /// Operations, named in the same way, that are throttled for so long after the sandbox began.
    pub throttle_for: Vec<(String, Duration)>,
    /// How many of all calls go wrong, 0 to 1.
    pub rate: f64,
    /// What goes wrong with those; where empty, everything that a later try can cure.
    pub kinds: Vec<Fault>,
    /// From which it follows with which calls what goes wrong.
    pub seed: u64,
}

impl Faults {
    /// The fault `fault` at call `number`, and nothing else.
    pub fn once(number: u64, fault: Fault) -> Faults {
        Faults { at: vec![(number, fault)], ..Faults::default() }
    }

    /// What goes wrong with call `number`.
    pub(super) fn at(&self, number: u64) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.at.iter().filter(|(at, _)| *at == number).map(|(_, fault)| fault.clone()).collect();
        if faults.is_empty() && self.rate > 0.0 {
            // Of seed and number alone, so that one call more or less moves no other fault.
            let mut random = fastrand::Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            if random.f64() < self.rate {
                let curable = curable();
                let kinds = if self.kinds.is_empty() { &curable } else { &self.kinds };
                faults.extend(random.choice(kinds).cloned());
            }
        }
        faults
    }

    /// The refusal that stands against an operation, `since` the sandbox began.
    pub(super) fn standing(&self, service: Service, operation: &Operation, since: SignedDuration) -> Option<Refusal> {
        if self.denied.iter().any(|name| names(name, service, operation)) {
            return Fault::Denied.refusal(service, operation);
        }
        let throttled = |(name, time): &(String, Duration)| {
            names(name, service, operation) && SignedDuration::try_from(*time).is_ok_and(|time| since < time)
        };
        if self.throttle_for.iter().any(throttled) { Fault::Throttle.refusal(service, operation) } else { None }
    }

    /// Whether the past must be kept.
    pub(super) fn any_stale(&self) -> bool {
        self.at.iter().any(|(_, fault)| *fault == Fault::StaleRead)
            || (self.rate > 0.0 && (self.kinds.is_empty() || self.kinds.contains(&Fault::StaleRead)))
    }
}

/// What a later try cures.
fn curable() -> Vec<Fault> {
    vec![Fault::Throttle, Fault::ServerError, Fault::CutBefore, Fault::CutAfter, Fault::StaleRead, Fault::Slow(SLOW)]
}

/// Whether `name` (`Operation`, `service:Operation`, `service:*`, `*`) means this operation.
fn names(name: &str, service: Service, operation: &Operation) -> bool {
    let (of, name) = name.split_once(':').map_or((None, name), |(of, name)| (Some(of), name));
    of.is_none_or(|of| of.eq_ignore_ascii_case(service.name())) && (name == "*" || name == operation.name)
}

impl Fault {
    /// The refusal that this fault is, in the words of the service; none where it is something else.
    pub(super) fn refusal(&self, service: Service, operation: &Operation) -> Option<Refusal> {
        use Service::{CloudTrail, Ecs, ElastiCache, GuardDuty, Kms, Rds, S3, S3Control, SecretsManager, Sns, Ssm, Sts};
        let (status, code, message) = match self {
            Fault::Throttle => match service {
                // docs: AmazonS3/latest/API/ErrorResponses.html
                S3 | S3Control => (503, "SlowDown", "Please reduce your request rate.".to_owned()),
                CloudTrail | Ecs | Kms | SecretsManager | Ssm => (400, "ThrottlingException", "Rate exceeded".to_owned()),
                GuardDuty => (429, "TooManyRequestsException", "Too Many Requests".to_owned()),
                Rds | ElastiCache | Sns | Sts => (400, "Throttling", "Rate exceeded".to_owned()),
            },
            Fault::ServerError => {
                let code = match service {
                    S3 | S3Control => "InternalError",
                    GuardDuty => "InternalServerErrorException",
                    SecretsManager => "InternalServiceError",
                    Kms => "KMSInternalException",
                    Ssm => "InternalServerError",
                    Ecs => "ServerException",
                    _ => "InternalFailure",
                };
                (500, code, "We encountered an internal error. Please try again.".to_owned())
            }
            Fault::Denied => {
                let message = format!(
                    "User is not authorized to perform: {}:{} because no identity-based policy allows it",
                    service.name(),
                    operation.name
                );
                match service {
                    S3 | S3Control => (403, "AccessDenied", "Access Denied".to_owned()),
                    Rds | ElastiCache | Sts => (403, "AccessDenied", message),
                    Sns => (403, "AuthorizationError", message),
                    GuardDuty => (403, "AccessDeniedException", message),
                    // awsJson services say it with a 400.
                    CloudTrail | Ecs | Kms | SecretsManager | Ssm => (400, "AccessDeniedException", message),
                }
            }
            _ => return None,
        };
        Some(Refusal::new(status, code, message))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Throttle => formatter.write_str("throttle"),
            Fault::ServerError => formatter.write_str("server-error"),
            Fault::CutBefore => formatter.write_str("cut-before"),
            Fault::CutAfter => formatter.write_str("cut-after"),
            Fault::StaleRead => formatter.write_str("stale-read"),
            Fault::Denied => formatter.write_str("denied"),
            Fault::Slow(time) => write!(formatter, "slow={}ms", time.as_millis()),
            Fault::EndBefore => formatter.write_str("end-before"),
            Fault::EndAfter => formatter.write_str("end-after"),
        }
    }
}

/// A text that describes no faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("faults: {item:?}: {problem}")]
pub struct BadFaults {
    item: String,
    problem: String,
}

const KINDS: &str = "throttle, server-error, cut-before, cut-after, stale-read, denied, slow, end-before, end-after";

/// `throttle@17,cut-after@20,slow@3=5s,denied@GetBucketPolicy,throttle-for@s3:*=30s,rate=0.05,kinds=throttle+slow,seed=7`.
impl FromStr for Faults {
    type Err = BadFaults;

    fn from_str(text: &str) -> Result<Faults, BadFaults> {
        let mut faults = Faults::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            faults.add(item).map_err(|problem| BadFaults { item: item.to_owned(), problem })?;
        }
        Ok(faults)
    }
}

impl Faults {
    fn add(&mut self, item: &str) -> Result<(), String> {
        if let Some((kind, place)) = item.split_once('@') {
            let (place, time) = match place.split_once('=') {
                Some((place, time)) => (place, Some(duration(time)?)),
                None => (place, None),
            };
            return self.add_at(kind, place, time);
        }
        let Some((name, value)) = item.split_once('=') else {
            return Err(format!("expected KIND@CALL or one of rate=, kinds=, seed=; the kinds are {KINDS}"));
        };
        match name {
            "rate" => match value.parse::<f64>() {
                Ok(rate) if (0.0..=1.0).contains(&rate) => self.rate = rate,
                _ => return Err("a rate is a number from 0 to 1".to_owned()),
            },
            "seed" => self.seed = value.parse().map_err(|_| "a seed is a whole number, 0 or more".to_owned())?,
            "kinds" => self.kinds = value.split('+').map(|name| kind(name, None)).collect::<Result<_, _>>()?,
            _ => return Err("expected rate=, kinds= or seed=".to_owned()),
        }
        Ok(())
    }

    fn add_at(&mut self, name: &str, place: &str, time: Option<Duration>) -> Result<(), String> {
        if time.is_some() && !matches!(name, "slow" | "throttle-for") {
            return Err("only slow and throttle-for take a time".to_owned());
        }
        if name == "throttle-for" {
            let time = time.ok_or("expected a time, as in throttle-for@PutBucketPolicy=30s")?;
            self.throttle_for.push((operation(place)?, time));
            return Ok(());
        }
        let fault = kind(name, time)?;
        match place.parse::<u64>() {
            Ok(0) => return Err("calls are counted from 1".to_owned()),
            Ok(number) => self.at.push((number, fault)),
            Err(_) if fault == Fault::Denied => self.denied.push(operation(place)?),
            Err(_) => return Err(format!("expected the number of a call, found {place:?}; only denied takes an operation")),
        }
        Ok(())
    }
}

fn kind(name: &str, time: Option<Duration>) -> Result<Fault, String> {
    Ok(match name {
        "throttle" => Fault::Throttle,
        "server-error" => Fault::ServerError,
        "cut-before" => Fault::CutBefore,
        "cut-after" => Fault::CutAfter,
        "stale-read" => Fault::StaleRead,
        "denied" => Fault::Denied,
        "slow" => Fault::Slow(time.unwrap_or(SLOW)),
        "end-before" => Fault::EndBefore,
        "end-after" => Fault::EndAfter,
        other => return Err(format!("{other:?} is no kind of fault; the kinds are {KINDS}, throttle-for")),
    })
}

fn operation(name: &str) -> Result<String, String> {
    let known = |character: char| character.is_ascii_alphanumeric() || matches!(character, ':' | '*');
    if name.is_empty() || !name.chars().all(known) {
        return Err(format!("expected an operation, such as GetBucketPolicy or s3:GetBucketPolicy, found {name:?}"));
    }
    Ok(name.to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("expected a time such as 500ms, 30s or 2m, found {text:?}");
    text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok()).ok_or_else(bad)
}

/// The account as it was before each of the last writes. Kept only where a stale read can come.
pub(super) struct Past {
    kept: bool,
    /// When a write came, and what it found.
    before: VecDeque<(Timestamp, World)>,
}

impl Past {
    pub(super) fn new(kept: bool) -> Past {
        Past { kept, before: VecDeque::new() }
    }

    pub(super) fn before_write(&mut self, now: Timestamp, world: &World) {
        if self.kept {
            if self.before.len() == PAST {
                self.before.pop_front();
            }
            self.before.push_back((now, world.clone()));
        }
    }

    /// The account as it was some seconds before the last write: what the first write after that moment found.
    pub(super) fn stale(&self) -> Option<World> {
        let (last, _) = self.before.back()?;
        self.before.iter().find(|(at, _)| later(*at, STALE) > *last).map(|(_, world)| world.clone())
    }
}

/// Ends this process as a power cut does: nothing is flushed, no destructor runs.
pub(super) fn kill_this_process() -> ! {
    // The standard library has no signal but abort's, which a handler could see; SIGKILL no one sees.
    let _ = std::process::Command::new("kill").arg("-9").arg(std::process::id().to_string()).status();
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Faults, String> {
        text.parse::<Faults>().map_err(|error| error.to_string())
    }

    #[test]
    fn a_text_says_what_goes_wrong() {
        let faults = parse("throttle@17, cut-after@20,slow@3=500ms,denied@4,denied@s3:GetBucketPolicy,throttle-for@*=30s,rate=0.05,seed=7,kinds=throttle+slow")
            .unwrap();
        let at = vec![(17, Fault::Throttle), (20, Fault::CutAfter), (3, Fault::Slow(Duration::from_millis(500))), (4, Fault::Denied)];
        assert_eq!(faults.at, at);
        assert_eq!(faults.denied, ["s3:GetBucketPolicy"]);
        assert_eq!(faults.throttle_for, [("*".to_owned(), Duration::from_secs(30))]);
        assert_eq!((faults.rate, faults.seed), (0.05, 7));
        assert_eq!(faults.kinds, [Fault::Throttle, Fault::Slow(SLOW)]);
        assert_eq!(parse("").unwrap(), Faults::default());
    }

    #[test]
    fn a_wrong_text_is_told_what_is_wrong() {
        for (text, expected) in [
            ("throttel@3", "no kind of fault"),
            ("throttle", "expected KIND@CALL"),
            ("throttle@0", "counted from 1"),
            ("throttle@PutObject", "number of a call"),
            ("cut-after@3=5s", "only slow"),
            ("slow@3=soon", "expected a time"),
            ("throttle-for@PutObject", "expected a time"),
            ("rate=2", "from 0 to 1"),
            ("rate=NaN", "from 0 to 1"),
            ("kinds=wet", "no kind of fault"),
            ("denied@", "expected an operation"),
            ("color=red", "expected rate="),
        ] {
            let error = parse(&format!("throttle@1,{text}")).unwrap_err();
            assert!(error.contains(expected) && error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_rate_hits_its_share_of_calls_and_the_same_ones_each_time() {
        let faults = Faults { rate: 0.1, seed: 3, ..Faults::default() };
        let hit: Vec<u64> = (1..=10_000).filter(|number| !faults.at(*number).is_empty()).collect();
        assert!((800..1200).contains(&hit.len()), "{}", hit.len());
        assert_eq!(hit, (1..=10_000).filter(|number| !faults.at(*number).is_empty()).collect::<Vec<_>>());
        let other = Faults { seed: 4, ..faults.clone() };
        assert_ne!(hit, (1..=10_000).filter(|number| !other.at(*number).is_empty()).collect::<Vec<_>>());
        let kinds: std::collections::HashSet<String> =
            hit.iter().flat_map(|number| faults.at(*number)).map(|fault| fault.to_string()).collect();
        assert_eq!(kinds.len(), curable().len());
    }

    #[test]
    fn every_service_refuses_in_its_own_words() {
        let operation = Operation { name: "Get".to_owned(), writes: false };
        let code = |fault: &Fault, service| fault.refusal(service, &operation).map(|refusal| (refusal.status, refusal.code)).unwrap();
        assert_eq!(code(&Fault::Throttle, Service::S3), (503, "SlowDown".to_owned()));
        assert_eq!(code(&Fault::Throttle, Service::ElastiCache), (400, "Throttling".to_owned()));
        assert_eq!(code(&Fault::Throttle, Service::Kms), (400, "ThrottlingException".to_owned()));
        assert_eq!(code(&Fault::Throttle, Service::GuardDuty), (429, "TooManyRequestsException".to_owned()));
        assert_eq!(code(&Fault::Denied, Service::CloudTrail), (400, "AccessDeniedException".to_owned()));
        assert_eq!(code(&Fault::Denied, Service::Rds), (403, "AccessDenied".to_owned()));
        assert_eq!(code(&Fault::ServerError, Service::S3Control), (500, "InternalError".to_owned()));
        assert_eq!(Fault::CutAfter.refusal(Service::S3, &operation), None);
    }

    #[test]
    fn a_stale_read_is_ten_seconds_older_than_the_last_write() {
        let world = |name: &str| World { region: name.to_owned(), ..World::default() };
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut past = Past::new(true);
        assert_eq!(past.stale(), None);
        past.before_write(at(100), &world("a"));
        past.before_write(at(195), &world("b"));
        past.before_write(at(200), &world("c"));
        assert_eq!(past.stale().map(|world| world.region), Some("b".to_owned()), "at 190 it was as the write at 195 found it");
        for second in 300..1000 {
            past.before_write(at(second), &world("d"));
        }
        assert_eq!(past.before.len(), PAST);
    }
}
