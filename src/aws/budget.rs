//! Requests are budgeted per service (contract 12): so many at once, and slower after throttling.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use backoff::ExponentialBackoff;
use tokio::sync::{Semaphore, watch};

use super::{Call, CallError, Class, Service};

/// How requests are paced and tried again.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests under way at once, per service.
    pub at_once: usize,
    /// The first wait after throttling or a lost answer; it doubles from there.
    pub first: Duration,
    /// The longest wait between two tries.
    pub longest: Duration,
    /// How long throttling is waited out before the answer is "throttled".
    pub patience: Duration,
    /// How often a read without an answer is sent in all.
    pub tries: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            // S3 and the control planes allow more; ten keep a run of hundreds of resources within seconds and well below the
            // published rates (RDS and ElastiCache begin to throttle near 20 a second).
            at_once: 10,
            first: Duration::from_millis(200),
            longest: Duration::from_secs(20),
            patience: Duration::from_secs(300),
            tries: 5,
        }
    }
}

/// The budget of one account: shared by all that talks to it.
#[derive(Debug)]
pub struct Budget {
    pace: Pace,
    /// By the service's place in [`Service::ALL`].
    services: [Line; Service::ALL.len()],
    /// The code with which AWS refused the credentials: nothing else will work from then on.
    refused: OnceLock<String>,
    /// Somebody wishes to stop: no write waits any more.
    leaving: watch::Sender<bool>,
    /// The endpoint that requests go to, where it is not AWS's own: for people.
    endpoint: Option<String>,
    /// When it was last said that an answer is waited for.
    said: Mutex<Option<Instant>>,
}

/// What is waited for, in words: a throttled request was answered, and waits by our own will.
fn waiting(endpoint: &str, call: &Call, attempt: u32, seconds: u64, last: Option<&CallError>) -> String {
    match last {
        Some(error) if error.class == Class::Throttled => {
            format!("{endpoint} throttles {call} ({}): sent again and again, attempt {attempt}, for {seconds} s", error.code)
        }
        _ => format!("no answer yet from {endpoint} to {call}, attempt {attempt}, for {seconds} s"),
    }
}

/// After how long somebody is told that an answer is waited for, and how often.
const SILENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Line {
    open: Semaphore,
    /// After throttling, nobody sends before this.
    not_before: Mutex<Option<Instant>>,
}

impl Budget {
    pub fn new(pace: Pace) -> Budget {
        let line = || Line { open: Semaphore::new(pace.at_once.max(1)), not_before: Mutex::new(None) };
        Budget {
            pace,
            services: Service::ALL.map(|_| line()),
            refused: OnceLock::new(),
            leaving: watch::Sender::new(false),
            endpoint: None,
            said: Mutex::default(),
        }
    }

    /// The same, over an endpoint that is not AWS's own.
    pub fn at(self, endpoint: Option<String>) -> Budget {
        Budget { endpoint, ..self }
    }

    /// Says, as long as there is no answer, what is waited for; of many requests side by side one at a time.
    async fn tell_of_waiting(&self, call: &Call, sent: &AtomicU32, last: &Mutex<Option<CallError>>) -> Infallible {
        let since = Instant::now();
        loop {
            tokio::time::sleep(SILENCE).await;
            // One that waits for a place in the line waits for others, which say so.
            let attempt = sent.load(Ordering::Relaxed);
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if attempt == 0 || since.elapsed() < SILENCE || said.is_some_and(|at| at.elapsed() < AGAIN) {
                continue;
            }
            *said = Some(Instant::now());
            let endpoint = self.endpoint.as_deref().unwrap_or("AWS");
            let seconds = since.elapsed().as_secs();
            let last = last.lock().unwrap_or_else(PoisonError::into_inner);
            tracing::warn!("{}", waiting(endpoint, call, attempt, seconds, last.as_ref()));
        }
    }

    /// From now on no write waits for its turn or for the end of throttling; one that is under way is finished.
    pub fn leave(&self) {
        self.leaving.send_replace(true);
    }

    /// The code with which AWS refused the credentials, if it did.
    pub fn credentials_refused(&self) -> Option<String> {
        self.refused.get().cloned()
    }

    /// Sends a request: throttling is waited out; a read without an answer is sent again, a write never (nobody knows whether
    /// it was applied: the next pass looks).
    pub async fn send<T, E, F>(&self, call: &'static Call, mut attempt: impl FnMut() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let policy = ExponentialBackoff {
            initial_interval: self.pace.first,
            current_interval: self.pace.first,
            max_interval: self.pace.longest,
            // Patience is counted from the first refusal, below: waiting for a place in the line is not throttling.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let unanswered = AtomicU32::new(0);
        let since = OnceLock::new();
        let line = &self.services[call.service as usize];
        let under_way = AtomicBool::new(false);
        let last: Mutex<Option<CallError>> = Mutex::new(None);
        let attempts = AtomicU32::new(0);
        // The last attempt that came through the line.
        let sent = AtomicU32::new(0);
        let once = || {
            let number = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            let queued = Instant::now();
            // On the heap: a request of the SDK is 30 KB large, and many of them side by side would not fit on a worker's stack.
            let attempt = Box::pin(attempt());
            let (unanswered, since, under_way, sent) = (&unanswered, &since, &under_way, &sent);
            let through = line.through(async move {
                sent.store(number, Ordering::Relaxed);
                under_way.store(true, Ordering::SeqCst);
                let began = Instant::now();
                let answer = attempt.await;
                under_way.store(false, Ordering::SeqCst);
                (answer, began)
            });
            async move {
                let (answer, began) = through.await;
                // Never a request or an answer itself: they hold secrets.
                let log = |code: &str, id: Option<&str>| {
                    let (waited, took) = (began.saturating_duration_since(queued).as_millis() as u64, began.elapsed().as_millis() as u64);
                    let (service, operation) = (call.service.name(), call.operation);
                    tracing::trace!(
                        service,
                        operation,
                        attempt = number,
                        waited_ms = waited,
                        took_ms = took,
                        code,
                        request = id,
                        "request"
                    );
                };
                if let Ok(output) = &answer {
                    log("ok", output.request_id());
                }
                answer.map_err(|error| {
                    let error = CallError::new(call, error);
                    log(&error.code, error.request_id.as_deref());
                    let again = match error.class {
                        Class::Throttled if call.writes && *self.leaving.borrow() => false,
                        Class::Throttled => since.get_or_init(Instant::now).elapsed() < self.pace.patience,
                        Class::Ambiguous => !call.writes && unanswered.fetch_add(1, Ordering::Relaxed) + 1 < self.pace.tries,
                        Class::Credentials => {
                            // The first code is as good as any.
                            let _ = self.refused.set(error.code.clone());
                            false
                        }
                        _ => false,
                    };
                    if again { backoff::Error::transient(error) } else { backoff::Error::permanent(error) }
                })
            }
        };
        let answered = backoff::future::retry_notify(policy, once, |error: CallError, wait: Duration| {
            tracing::debug!(call = %call, code = %error.code, wait_ms = wait.as_millis() as u64, "sent again");
            if error.class == Class::Throttled {
                let mut not_before = line.not_before.lock().unwrap_or_else(PoisonError::into_inner);
                let until = Instant::now() + wait;
                *not_before = Some(not_before.map_or(until, |other| other.max(until)));
            }
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        });
        let answered = async {
            tokio::select! {
                biased;
                answer = answered => answer,
                never = self.tell_of_waiting(call, &sent, &last) => match never {},
            }
        };
        if !call.writes {
            return answered.await;
        }
        let mut leaving = self.leaving.subscribe();
        let left = async {
            let left = leaving.wait_for(|leaving| *leaving).await.is_ok();
            if !left || under_way.load(Ordering::SeqCst) {
                // Its answer ends the waiting.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            answer = answered => answer,
            () = left => Err(last.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| CallError::not_sent(call))),
        }
    }
}

impl Line {
    /// Waits for a place and for the end of a pause, then lets the request go.
    async fn through<F: Future>(&self, sent: F) -> F::Output {
        // The semaphore is never closed; without a permit the request is merely not held back.
        let _permit = self.open.acquire().await.ok();
        let wait = {
            let not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            not_before.and_then(|until| until.checked_duration_since(Instant::now()))
        };
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        sent.await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::metadata::ErrorMetadata;

    use super::super::calls;
    use super::*;

    type Failure = SdkError<ErrorMetadata, HttpResponse>;

    fn answer(code: &str, status: u16) -> Failure {
        let response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        SdkError::service_error(ErrorMetadata::builder().code(code).message("no").build(), response)
    }

    fn taken() -> GetCallerIdentityOutput {
        GetCallerIdentityOutput::builder().build()
    }

    fn throttled() -> Failure {
        answer("Throttling", 400)
    }

    fn silent() -> Failure {
        SdkError::timeout_error("no answer")
    }

    fn pace() -> Pace {
        let short = Duration::from_millis(1);
        Pace { at_once: 2, first: short, longest: 5 * short, patience: Duration::from_secs(300), tries: 3 }
    }

    /// Sends with these answers, the last of them again and again; says how it ended and how often it was sent.
    async fn send(budget: &Budget, call: &'static Call, answers: Vec<Option<fn() -> Failure>>) -> (Result<(), CallError>, usize) {
        let sent = RefCell::new(0);
        let result = budget
            .send(call, || {
                let (answers, sent) = (&answers, &sent);
                async move {
                    let at = sent.replace_with(|sent| *sent + 1);
                    let answer = answers.get(at).or(answers.last()).copied().flatten();
                    match answer {
                        Some(fail) => Err(fail()),
                        None => Ok(taken()),
                    }
                }
            })
            .await;
        let sent = *sent.borrow();
        (result.map(|_| ()), sent)
    }

    static READ: &Call = &calls::s3::GET_BUCKET_POLICY;
    static WRITE: &Call = &calls::s3::PUT_BUCKET_POLICY;

    #[tokio::test]
    async fn throttling_is_waited_out_for_reads_and_writes() {
        for call in [READ, WRITE] {
            let mut answers: Vec<Option<fn() -> Failure>> = vec![Some(throttled); 40];
            answers.push(None);
            let (result, sent) = send(&Budget::new(pace()), call, answers).await;
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(sent, 41);
        }
        let impatient = Budget::new(Pace { patience: Duration::ZERO, ..pace() });
        let (result, sent) = send(&impatient, READ, vec![Some(throttled)]).await;
        assert_eq!((result.unwrap_err().class, sent), (Class::Throttled, 1));
    }

    #[test]
    fn throttling_is_no_silence() {
        let throttled = CallError::new(WRITE, throttled());
        assert_eq!(
            waiting("AWS", WRITE, 16, 142, Some(&throttled)),
            "AWS throttles s3:PutBucketPolicy (Throttling): sent again and again, attempt 16, for 142 s"
        );
        for last in [None, Some(&CallError::new(WRITE, silent()))] {
            assert_eq!(waiting("AWS", WRITE, 1, 2, last), "no answer yet from AWS to s3:PutBucketPolicy, attempt 1, for 2 s");
        }
    }

    #[tokio::test]
    async fn a_read_without_an_answer_is_sent_again_and_a_write_never() {
        let budget = Budget::new(pace());
        assert!(matches!(send(&budget, READ, vec![Some(silent), Some(silent), None]).await, (Ok(()), 3)));
        let (result, sent) = send(&budget, READ, vec![Some(silent)]).await;
        assert_eq!((result.unwrap_err().class, sent), (Class::Ambiguous, 3));
        // Throttling in between takes nothing from the tries.
        let answers: Vec<Option<fn() -> Failure>> =
            vec![Some(throttled), Some(throttled), Some(throttled), Some(silent), Some(silent), None];
        assert!(matches!(send(&budget, READ, answers).await, (Ok(()), 6)));
        for fail in [silent as fn() -> Failure, || answer("InternalError", 500), || answer("ServiceUnavailable", 503)] {
            let (result, sent) = send(&budget, WRITE, vec![Some(fail)]).await;
            assert_eq!((result.unwrap_err().class, sent), (Class::Ambiguous, 1));
        }
        for fail in [(|| answer("AccessDenied", 403)) as fn() -> Failure, || answer("MalformedPolicy", 400)] {
            assert_eq!(send(&budget, READ, vec![Some(fail)]).await.1, 1, "what is refused is not asked again");
        }
    }

    #[tokio::test]
    async fn a_write_that_waits_is_left_at_a_wish_to_stop_and_one_under_way_is_finished() {
        let slow = Pace { first: Duration::from_secs(100), longest: Duration::from_secs(100), ..pace() };
        let budget = Budget::new(slow);
        let sent = send(&budget, WRITE, vec![Some(throttled), None]);
        let soon = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            budget.leave();
        };
        let ((result, sent), ()) = tokio::time::timeout(Duration::from_secs(20), futures::future::join(sent, soon)).await.unwrap();
        assert_eq!((result.unwrap_err().class, sent), (Class::Throttled, 1));
        // One that begins after the wish, in the pause of the first, is not sent at all.
        let (result, sent) = send(&budget, WRITE, vec![None]).await;
        assert_eq!((result.unwrap_err().code.as_str(), sent), ("NotSent", 0));

        let budget = Budget::new(pace());
        let under_way = budget.send(WRITE, || async {
            budget.leave();
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, Failure>(taken())
        });
        assert!(under_way.await.is_ok());
    }

    #[tokio::test]
    async fn refused_credentials_are_remembered() {
        let budget = Budget::new(pace());
        assert_eq!(budget.credentials_refused(), None);
        let _ = send(&budget, READ, vec![Some(|| answer("ExpiredToken", 400))]).await;
        assert_eq!(budget.credentials_refused().as_deref(), Some("ExpiredToken"));
    }

    #[tokio::test]
    async fn no_more_than_so_many_at_once() {
        let budget = Budget::new(pace());
        let under_way = RefCell::new((0, 0));
        let one = || {
            budget.send(READ, || async {
                {
                    let mut now = under_way.borrow_mut();
                    now.0 += 1;
                    now.1 = now.1.max(now.0);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                under_way.borrow_mut().0 -= 1;
                Ok::<_, Failure>(taken())
            })
        };
        futures::future::join_all((0..9).map(|_| one())).await;
        assert_eq!(under_way.borrow().1, 2);
    }
}
