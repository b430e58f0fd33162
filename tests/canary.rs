//! Contract 10: the bytes of a secret are in no log, plan, journal, error, file or panic message. A token that can be told from everything else
//! is given to the program in every place where a secret can be, things go wrong in every way, and all that comes out is searched for it.

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use holdfast::aws::ConnectOptions;
use holdfast::clock::Clock;
use holdfast::execute::{Interrupt, Journal};
use holdfast::reconcile::{Apply, Request, apply, connected, look};
use holdfast::sandbox::faults::Faults;
use holdfast::sandbox::{Options, Sandbox};
use sha2::{Digest, Sha256};

/// A token as AWS takes it, with a character of each kind that is written differently somewhere.
const CANARY: &str = "Canary-7!f3a&9c#2b$e1^d4<a8>c5";
/// The part of it that is the same in nearly every way of writing it.
const MIDDLE: &str = "Canary-7";

const ACCOUNT: &str = include_str!("sweep/account.yaml");
const MANIFEST: &str = "
apiVersion: holdfast.dev/v1alpha1
kind: AwsBaseline
metadata: {name: canary}
spec:
  account: '317805897534'
  region: us-east-1
  policy: {disruptive: Allow}
  elasticache:
    replicationGroups:
      - name: sessions
        replicationGroupId: huntaze-sessions
        transitEncryption: Required
        auth: {secretArn: 'arn:aws:secretsmanager:us-east-1:317805897534:secret:huntaze/redis-auth-a1B2c3', key: token}
";

/// Every way in which the token could be written.
fn needles() -> Vec<(String, Vec<u8>)> {
    let percent: String = CANARY
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() || byte == b'-' { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let numbers: Vec<String> = CANARY.bytes().take(8).map(|byte| byte.to_string()).collect();
    let mut needles = vec![
        ("as it is".to_owned(), CANARY.as_bytes().to_vec()),
        ("its beginning".to_owned(), MIDDLE.as_bytes().to_vec()),
        ("in a URL".to_owned(), percent.to_lowercase().into_bytes()),
        ("in a URL, upper case".to_owned(), percent.into_bytes()),
        ("in XML".to_owned(), CANARY.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").into_bytes()),
        ("in hexadecimal".to_owned(), hex.into_bytes()),
        ("as a list of bytes".to_owned(), numbers.join(", ").into_bytes()),
        ("backwards".to_owned(), CANARY.bytes().rev().collect()),
        ("in UTF-16".to_owned(), MIDDLE.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ];
    for offset in 0..3 {
        // Inside a longer text it stands at any place of a group of three; the letters at both ends depend on the neighbours.
        let text = base64(&[vec![b' '; offset], CANARY.as_bytes().to_vec()].concat());
        let inner = text.get(4..text.len() - 4).expect("long enough").to_owned();
        needles.push((format!("in Base64, {offset}"), inner.replace('+', "-").replace('/', "_").into_bytes()));
        needles.push((format!("in Base64, {offset}, URL-safe"), inner.into_bytes()));
    }
    needles
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = if place <= group.len() { char::from(LETTERS[bits >> (18 - 6 * place) & 63]) } else { '=' };
            text.push(letter);
        }
    }
    text
}

/// The ways of writing in which the token is in `bytes`.
fn found(bytes: &[u8]) -> Vec<String> {
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    needles().into_iter().filter(|(_, needle)| holds(needle)).map(|(name, _)| name).collect()
}

fn clean(what: &str, bytes: &[u8]) {
    let found = found(bytes);
    assert!(found.is_empty(), "{what} holds the secret {found:?}: {}", String::from_utf8_lossy(bytes));
}

/// All files below a folder but the sandbox's account, which is AWS's side of the world. Answers with how many there are.
fn clean_below(what: &str, folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if path.is_dir() {
            count += clean_below(what, &path);
        } else if !entry.file_name().to_string_lossy().starts_with("account.json") {
            clean(&format!("{what}: {}", path.display()), &std::fs::read(&path).expect("a file"));
            count += 1;
        }
    }
    count
}

/// The account with this text as its secret.
fn account(secret: &str) -> String {
    let text = serde_json::to_string(secret).expect("JSON");
    let account = ACCOUNT.replace(r#"'{"token": "sandbox-only-not-a-real-token-0002"}'"#, &text);
    assert_ne!(account, ACCOUNT, "the account has another secret than was thought");
    account
}

fn sandbox(secret: &str, faults: &str) -> Sandbox {
    let clock = Clock::simulated("2026-01-15T10:00:00Z".parse().expect("a time"));
    let faults: Faults = faults.parse().expect("faults");
    Sandbox::from_yaml(&account(secret), Options { clock, faults, ..Options::default() }).expect("an account")
}

fn good() -> String {
    serde_json::json!({ "token": CANARY }).to_string()
}

/// A folder with a manifest and an account for `--sandbox`.
fn folder(secret: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = sandbox(secret, "");
    let saved = serde_json::json!({ "savedAt": sandbox.clock().now(), "world": sandbox.world() });
    std::fs::create_dir(folder.path().join("sandbox")).expect("a folder");
    std::fs::write(folder.path().join("sandbox/account.json"), saved.to_string()).expect("a file");
    std::fs::write(folder.path().join("m.yaml"), MANIFEST).expect("a file");
    folder
}

/// The program at its most talkative.
fn holdfast(folder: &Path, arguments: &[&str], faults: &str) -> Output {
    let requests = support::record::requests(folder);
    let mut run = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        run.env_remove(name);
    }
    let output = run
        .args(["--log", "trace"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("RUST_BACKTRACE", "full")
        .env("HOLDFAST_STATE_DIR", folder)
        .env("HOLDFAST_SANDBOX_FAULTS", faults)
        .env("HOLDFAST_SANDBOX_RECORD", &requests)
        .output()
        .expect("the program runs");
    let what = format!("{arguments:?} with faults {faults:?}");
    clean(&format!("stdout of {what}"), &output.stdout);
    clean(&format!("stderr of {what}"), &output.stderr);
    // Where the suite is recorded they are not below the folder.
    if requests.is_dir() {
        clean_below(&format!("the requests of {what}"), &requests);
    }
    output
}

/// The forms of a result beside text.
const FORMS: [&str; 4] = ["json", "markdown", "sarif", "junit"];

const RUN: [&str; 4] = ["reconcile", "-f", "m.yaml", "--sandbox"];

#[test]
fn the_search_finds_what_is_planted() {
    let debug = format!("{:?}", CANARY.as_bytes());
    let forms: [Vec<u8>; 8] = [
        format!("before {CANARY} after").into_bytes(),
        format!("AuthToken={}&x=y", CANARY.replace('!', "%21").replace('&', "%26").replace('#', "%23")).into_bytes(),
        base64(CANARY.as_bytes()).into_bytes(),
        base64(format!("{{\"token\":\"{CANARY}\"}}").as_bytes()).into_bytes(),
        base64(format!("token: {CANARY}, and more").as_bytes()).into_bytes(),
        serde_json::json!({ "deep": [CANARY] }).to_string().into_bytes(),
        debug.into_bytes(),
        [vec![0, 255, 7], CANARY.as_bytes().to_vec(), vec![9]].concat(),
    ];
    for form in forms {
        assert!(!found(&form).is_empty(), "not found in {}", String::from_utf8_lossy(&form));
    }
    assert!(found(b"an ordinary text of [secret] nothing").is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("journal")).expect("a folder");
    std::fs::write(folder.path().join("journal/db"), [b"\0\0".as_slice(), CANARY.as_bytes()].concat()).expect("a file");
    assert!(std::panic::catch_unwind(|| clean_below("planted", folder.path())).is_err(), "a planted file was not found");
}

#[test]
fn the_token_is_used_and_shown_nowhere() {
    let folder = folder(&good());
    for form in FORMS {
        let dry = holdfast(folder.path(), &[&RUN[..], &["--dry-run", "-o", form]].concat(), "");
        assert_eq!(dry.status.code(), Some(0), "{dry:?}");
        assert!(String::from_utf8_lossy(&dry.stdout).contains("huntaze-sessions"), "{form} shows nothing: {dry:?}");
    }
    let run = holdfast(folder.path(), &RUN, "");
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    // What was searched holds what a person looks for in it, of the requests with the secret in them, too.
    let log = String::from_utf8_lossy(&run.stderr).into_owned();
    let said = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    let of = "of{resource=elasticache.replicationGroups/huntaze-sessions}";
    for words in [
        &["TRACE", of, "service=\"secretsmanager\" operation=\"GetSecretValue\" attempt=1", "took_ms=", "code=\"ok\" request="][..],
        &["TRACE", of, "service=\"elasticache\" operation=\"ModifyReplicationGroup\" attempt=1", "code=\"ok\" request="],
        &["DEBUG", "step begins resource=elasticache.replicationGroups/huntaze-sessions"],
        &["DEBUG", "step done resource=elasticache.replicationGroups/huntaze-sessions"],
        &["DEBUG", "looked at again in the next pass resource=elasticache.replicationGroups/huntaze-sessions why="],
    ] {
        assert!(said(words), "{words:?} is not in the log: {log}");
    }
    holdfast(folder.path(), &["reconcile", "-f", "m.yaml", "--sandbox", "-o", "json", "--verbose"], "");
    let journal = holdfast(folder.path(), &["journal", "--state-dir", "sandbox"], "");
    assert!(String::from_utf8_lossy(&journal.stdout).contains("huntaze-sessions"), "{journal:?}");
    // The group has it: it was really sent.
    let sent = std::fs::read_dir(support::record::requests(folder.path())).expect("requests").any(|file| {
        let text = std::fs::read_to_string(file.expect("an entry").path()).expect("text");
        text.lines().any(|line| line.contains("ModifyReplicationGroup") && line.contains("AuthToken="))
    });
    assert!(sent, "the token was never sent: the test shows nothing");
    assert!(clean_below("after a run", folder.path()) > 4);
}

/// Before a move a dry run logs in to the group, with the token: the one place where it reads a secret.
#[test]
fn a_dry_run_that_logs_in_shows_the_token_nowhere() {
    if holdfast::sandbox::redis::program().is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: needs redis-server");
        return;
    }
    let hash: String = Sha256::digest(CANARY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let moved = MANIFEST.replace(
        "transitEncryption",
        "atRestEncryption: {enabled: true}\n        migration: {approved: true, cutover: []}\n        transitEncryption",
    );
    let dry = ["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run"];
    for (secret, faults, code, words) in [
        (CANARY.to_owned(), "", 0, "forecast: copy"),
        (format!("{CANARY}-and-more"), "", 3, "have the secret hold the token that is in force"),
        (CANARY.to_owned(), "denied@GetSecretValue", 3, "what the nodes of huntaze-sessions allow: secretsmanager:GetSecretValue"),
    ] {
        let folder = folder(&good());
        std::fs::write(folder.path().join("m.yaml"), &moved).expect("a file");
        let world = serde_json::json!({
            "account": "317805897534",
            "elasticache": {
                "servers": true,
                "replicationGroups": {"huntaze-sessions": {
                    "engineVersion": "7.1.0", "nodes": 2, "automaticFailover": true, "subnetGroup": "private", "data": {"keys": 50},
                    "transitEncryption": "required", "auth": {"tokens": [hash], "passwordless": false},
                }},
                "subnetGroups": {"private": {"description": "private", "vpcId": "vpc-1", "subnets": ["subnet-1", "subnet-2"]}},
            },
            "secretsmanager": {"secrets": {"huntaze/redis-auth": {
                "arnSuffix": "a1B2c3", "secretString": serde_json::json!({ "token": secret }).to_string(),
            }}},
        });
        let clock = Clock::simulated("2026-01-15T10:00:00Z".parse().expect("a time"));
        let sandbox = Sandbox::from_yaml(&world.to_string(), Options { clock, ..Options::default() }).expect("an account");
        let saved = serde_json::json!({ "savedAt": sandbox.clock().now(), "world": sandbox.world() });
        drop(sandbox);
        std::fs::write(folder.path().join("sandbox/account.json"), saved.to_string()).expect("a file");
        let run = holdfast(folder.path(), &dry, faults);
        let out = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(
            run.status.code() == Some(code) && out.contains(words),
            "{words}: {:?} {out}{}",
            run.status,
            String::from_utf8_lossy(&run.stderr)
        );
        for form in FORMS {
            holdfast(folder.path(), &[&dry[..], &["-o", form]].concat(), faults);
        }
        clean_below("after a dry run", folder.path());
    }
}

#[test]
fn secrets_that_cannot_be_used_are_not_quoted() {
    let wrong = [
        format!("{{\"token\": \"{CANARY}@\"}}"),
        format!("{{\"token\": \"{CANARY} \\n\"}}"),
        format!("{{\"token\": \"{MIDDLE}\"}}"),
        format!("{{\"token\": [\"{CANARY}\"]}}"),
        format!("{{\"{CANARY}\": \"x\"}}"),
        format!("{{\"token\": \"{CANARY}"),
        format!("\"{CANARY}\""),
        CANARY.to_owned(),
        format!("{{\"token\": \"{}\"}}", CANARY.repeat(9)),
    ];
    for secret in wrong {
        let folder = folder(&secret);
        let run = holdfast(folder.path(), &RUN, "");
        // The token is looked at before anything is sent for the steps that lead up to it: nothing was done.
        assert_eq!(run.status.code(), Some(1), "{secret}: {run:?}");
        holdfast(folder.path(), &["journal", "--state-dir", "sandbox"], "");
        clean_below(&secret, folder.path());
    }
}

#[test]
fn whatever_fails_it_is_not_said() {
    for faults in [
        "denied@ModifyReplicationGroup",
        "denied@GetSecretValue",
        "denied@DescribeSecret",
        "rate=0.05,kinds=server-error+cut-after+stale-read,seed=1",
        "end-after@60",
        "end-before@140",
    ] {
        let folder = folder(&good());
        holdfast(folder.path(), &RUN, faults);
        holdfast(folder.path(), &["journal", "--state-dir", "sandbox"], "");
        holdfast(folder.path(), &["--log-format", "json", "reconcile", "-f", "m.yaml", "--sandbox", "-o", "json"], "");
        clean_below(faults, folder.path());
        // What failed, in every form in which it is said.
        for form in FORMS {
            let other = self::folder(&good());
            holdfast(other.path(), &[&RUN[..], &["-o", form]].concat(), faults);
        }
    }
}

/// Signed requests over a real connection: the caller's own keys are secrets, too.
#[test]
fn credentials_are_shown_nowhere() {
    let sandbox = sandbox(&good(), "");
    let folder = folder(&good());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let served = sandbox.clone();
    runtime.spawn(async move { served.serve(listener, std::future::pending()).await });
    for (arguments, code) in [(&["--dry-run"][..], 0), (&["--dry-run", "-o", "json"][..], 0)] {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(["--log", "trace", "reconcile", "-f", "m.yaml"])
            .args(arguments)
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env("HOLDFAST_STATE_DIR", folder.path())
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIASANDBOX")
            .env("AWS_SECRET_ACCESS_KEY", CANARY)
            .env("AWS_SESSION_TOKEN", format!("session-{CANARY}"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        clean("stdout", &output.stdout);
        clean("stderr", &output.stderr);
    }
    assert!(sandbox.calls() >= 10, "only {} requests: nothing was asked", sandbox.calls());
    clean_below("credentials", folder.path());
}

/// An AWS that quotes, in its refusal, all that it was sent.
#[derive(Clone, Debug)]
struct Quoting {
    sandbox: Sandbox,
    quoted: Arc<Mutex<u32>>,
}

impl HttpClient for Quoting {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Quoting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        if !body.contains("AuthToken=") {
            let sandbox = self.sandbox.clone();
            return HttpConnectorFuture::new(async move {
                let (parts, body) = request.try_into_http1x().expect("a request").into_parts();
                let body = bytes::Bytes::copy_from_slice(body.bytes().unwrap_or_default());
                let answer = sandbox.handle(http::Request::from_parts(parts, body)).await.expect("an answer");
                Ok(HttpResponse::try_from(answer.map(SdkBody::from)).expect("a response"))
            });
        }
        *self.quoted.lock().expect("no panic") += 1;
        let plain: String = form_urlencoded::parse(body.as_bytes()).map(|(name, value)| format!("{name}={value} ")).collect();
        let escaped = format!("{body} that is {plain}").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let text = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>not understood: {escaped}</Message></Error></ErrorResponse>"
        );
        let response = http::Response::builder().status(400).body(SdkBody::from(text)).expect("a response");
        HttpConnectorFuture::ready(Ok(HttpResponse::try_from(response).expect("a response")))
    }
}

#[tokio::test]
async fn a_refusal_that_quotes_the_token_is_not_passed_on() {
    let quoting = Quoting { sandbox: sandbox(&good(), ""), quoted: Arc::default() };
    let state = tempfile::tempdir().expect("a folder");
    let baseline = support::baseline(MANIFEST);
    let clock = quoting.sandbox.clock();
    let options = ConnectOptions { embedded: Some(SharedHttpClient::new(quoting.clone())), ..support::ground(&quoting.sandbox) };
    let connection = connected(&baseline, &options).await.expect("a connection");
    let found = look(&baseline, &connection, &Request::default(), clock.now()).await;
    let said = Mutex::new(String::new());
    let outcomes = {
        let journal = Journal::open(state.path(), "a test").expect("a journal").journal;
        let say = |one: &holdfast::execute::Said| said.lock().expect("no panic").push_str(&format!("{one:?}\n"));
        let with = Apply { journal: &journal, clock: &clock, run: "canary", interrupt: &Interrupt::default(), say: &say };
        let outcomes = apply(&baseline, &found, &Default::default(), &with).await.expect("a run");
        clean("the journal's records", format!("{:?}", journal.records()).as_bytes());
        outcomes
    };
    assert!(*quoting.quoted.lock().expect("no panic") > 0, "the token was never sent");
    assert_eq!(outcomes.failed().count(), 1, "{outcomes:?}");
    let text = format!("{outcomes:?}");
    assert!(text.contains("not understood"), "the refusal is not told at all: {text}");
    clean("the outcomes", text.as_bytes());
    clean("what was said", said.lock().expect("no panic").as_bytes());
    clean_below("a refusal that quotes", state.path());
}

const PANIC: &str = "HOLDFAST_TEST_CANARY_PANICS";

/// Not a test but the inside of one: run alone, in a process of its own, it panics with the token in its message.
#[tokio::test]
async fn inside_of_the_panic() {
    if std::env::var_os(PANIC).is_none() {
        return;
    }
    holdfast::aws::clean_panics();
    let sandbox = sandbox(&good(), "");
    let state = tempfile::tempdir().expect("a folder");
    let baseline = support::baseline(MANIFEST);
    tokio::time::timeout(Duration::from_secs(60), support::wet(&sandbox, &baseline, state.path(), false))
        .await
        .expect("in time")
        .expect("a run");
    panic!("the request was AuthToken={CANARY}&x, of {:?}", Some(CANARY));
}

#[test]
fn a_panic_tells_nothing_either() {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "inside_of_the_panic", "--nocapture", "--test-threads", "1"])
        .env(PANIC, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("a bug") && said.contains("AuthToken=[secret]"), "{said}");
    clean("a panic's message", &output.stderr);
    clean("a panic's output", &output.stdout);
}
