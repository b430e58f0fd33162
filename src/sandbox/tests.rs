//! The sandbox as a whole: calls and faults, through the SDK's clients and over TCP.

use std::time::Duration;

use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::sns::Topic;
use super::testing::{ask, authorization, form, json, sandbox};
use super::world::World;
use super::*;

const ALERTS: &str = "arn:aws:sns:us-east-1:000000000000:alerts";

fn world() -> World {
    let mut world = World::default();
    world.sns.topics.insert("alerts".to_owned(), Topic::default());
    world
}

fn publish() -> Request<Bytes> {
    form("sns", &format!("Action=Publish&TopicArn={ALERTS}&Message=x"))
}

fn create(name: &str) -> Request<Bytes> {
    form("sns", &format!("Action=CreateTopic&Name={name}"))
}

fn credentials(key: &str, token: Option<String>) -> Credentials {
    Credentials::new(key, "secret", token, None, "test")
}

fn sts_client(sandbox: &Sandbox, credentials: Credentials) -> aws_sdk_sts::Client {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
        .http_client(sandbox.http_client())
        .build();
    aws_sdk_sts::Client::from_conf(config)
}

fn sns_client(sandbox: &Sandbox) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials("AKIASANDBOX", None))
        .retry_config(aws_sdk_sns::config::retry::RetryConfig::disabled())
        .http_client(sandbox.http_client())
        .build();
    aws_sdk_sns::Client::from_conf(config)
}

#[tokio::test]
async fn the_sdks_own_clients_speak_to_it() {
    let sandbox = sandbox(World { account: "317805897534".to_owned(), ..World::default() }, "");
    let sts = sts_client(&sandbox, credentials("AKIASANDBOX", None));
    assert_eq!(sts.get_caller_identity().send().await.unwrap().account(), Some("317805897534"));

    let sns = sns_client(&sandbox);
    let topic = sns.create_topic().name("alerts").send().await.unwrap();
    let arn = topic.topic_arn().unwrap();
    let value = aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value("7").build().unwrap();
    sns.publish().topic_arn(arn).message("<changed> & done").message_attributes("run", value).send().await.unwrap();
    let messages = sandbox.world().sns.messages;
    assert_eq!((messages[0].message.as_str(), messages[0].attributes["run"].value.as_str()), ("<changed> & done", "7"));
    let attributes = sns.get_topic_attributes().topic_arn(arn).send().await.unwrap();
    assert_eq!(attributes.attributes().unwrap()["Owner"], "317805897534");
    let missing = sns.get_topic_attributes().topic_arn(format!("{arn}-not")).send().await.unwrap_err();
    assert!(missing.into_service_error().is_not_found_exception());

    let recorded = sandbox.recorded();
    let names: Vec<&str> = recorded.iter().map(|recorded| recorded.operation.as_str()).collect();
    assert_eq!(names, ["GetCallerIdentity", "CreateTopic", "Publish", "GetTopicAttributes", "GetTopicAttributes"]);
    assert!(recorded.iter().all(|recorded| !recorded.headers.contains_key("authorization")));
    assert_eq!(recorded.last().map(|last| (last.status, last.code.as_deref())), Some((Some(404), Some("NotFound"))));
    assert_eq!(sandbox.writes().len(), 2);
}

#[tokio::test]
async fn a_role_is_assumed_in_its_own_account_and_runs_out() {
    let mut world = World { account: "317805897534".to_owned(), ..World::default() };
    let role = sts::Role { external_id: Some("holdfast".to_owned()) };
    world.sts.roles.insert("arn:aws:iam::111111111111:role/path/audit".to_owned(), role);
    let sandbox = sandbox(world, "");
    let sts = sts_client(&sandbox, credentials("AKIASANDBOX", None));
    let assume = |role: &str, id: &str| sts.assume_role().role_arn(role).role_session_name("run").external_id(id).send();
    for (role, id) in [("arn:aws:iam::111111111111:role/path/audit", "wrong"), ("arn:aws:iam::111111111111:role/other", "holdfast")] {
        let refused = assume(role, id).await.unwrap_err();
        assert_eq!(refused.into_service_error().meta().code(), Some("AccessDenied"));
    }
    let assumed = assume("arn:aws:iam::111111111111:role/path/audit", "holdfast").await.unwrap();
    let given = assumed.credentials().unwrap();
    let session = credentials(given.access_key_id(), Some(given.session_token().to_owned()));
    let as_role = sts_client(&sandbox, session);
    let identity = as_role.get_caller_identity().send().await.unwrap();
    assert_eq!((identity.account(), identity.arn()), (Some("111111111111"), Some("arn:aws:sts::111111111111:assumed-role/audit/run")));

    let mut elsewhere = publish();
    elsewhere.headers_mut().insert("x-amz-security-token", given.session_token().parse().unwrap());
    assert_eq!(ask(&sandbox, elsewhere).await.0, 403, "its account has nothing here");

    sandbox.clock().advance(Duration::from_secs(3601));
    let refused = as_role.get_caller_identity().send().await.unwrap_err();
    assert_eq!(refused.into_service_error().meta().code(), Some("ExpiredToken"));
    let expired = sts_client(&sandbox, credentials("EXPIRED", None)).get_caller_identity().send().await.unwrap_err();
    assert_eq!(expired.into_service_error().meta().code(), Some("ExpiredToken"));
}

#[tokio::test]
async fn a_cut_before_does_nothing_and_a_cut_after_does_it() {
    for (faults, done) in [("cut-before@1", 0), ("cut-after@1", 1)] {
        let sandbox = sandbox(world(), faults);
        assert_eq!(sandbox.handle(publish()).await.unwrap_err(), Cut, "{faults}");
        assert_eq!(sandbox.world().sns.messages.len(), done, "{faults}");
        let writes = sandbox.writes();
        assert_eq!((writes.len(), writes[0].status, writes[0].applied), (1, None, done == 1), "{faults}");
        assert_eq!(writes[0].fault.as_deref(), faults.split('@').next());
        assert_eq!(ask(&sandbox, publish()).await.0, 200, "only the first call is hit");
        // The SDK sees a failed connection, no answer.
        let again = self::sandbox(world(), faults);
        let error = sns_client(&again).publish().topic_arn(ALERTS).message("x").send().await.unwrap_err();
        assert!(matches!(&error, aws_sdk_sns::error::SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
    }
}

#[tokio::test]
async fn refusing_faults_change_nothing() {
    for (faults, status, code) in
        [("throttle@1", 400, "Throttling"), ("server-error@1", 500, "InternalFailure"), ("denied@1", 403, "AuthorizationError")]
    {
        let sandbox = sandbox(world(), faults);
        let (got, body) = ask(&sandbox, publish()).await;
        assert!(got == status && body.contains(&format!("<Code>{code}</Code>")), "{faults}: {body}");
        assert_eq!(sandbox.world().sns.messages.len(), 0);
        assert!(!sandbox.writes()[0].applied);
    }
}

#[tokio::test]
async fn operations_can_be_denied_for_good_and_throttled_for_a_time() {
    let sandbox = sandbox(world(), "denied@sns:CreateTopic,throttle-for@Publish=30s");
    for _ in 0..2 {
        assert_eq!(ask(&sandbox, create("x")).await.0, 403);
    }
    assert_eq!(ask(&sandbox, publish()).await.0, 400);
    sandbox.clock().advance(Duration::from_secs(30));
    assert_eq!(ask(&sandbox, publish()).await.0, 200);
    assert_eq!(ask(&sandbox, form("sns", "Action=ListTopics")).await.0, 200);
}

#[tokio::test]
async fn a_stale_read_knows_nothing_of_the_last_write() {
    let sandbox = sandbox(World::default(), "stale-read@3,stale-read@5");
    let list = || form("sns", "Action=ListTopics");
    ask(&sandbox, create("first")).await;
    sandbox.clock().advance(Duration::from_secs(60));
    ask(&sandbox, create("second")).await;
    let (_, stale) = ask(&sandbox, list()).await;
    assert!(stale.contains("first") && !stale.contains("second"), "{stale}");
    assert!(ask(&sandbox, list()).await.1.contains("second"), "the fourth call is not hit");
    assert_eq!(ask(&sandbox, create("third")).await.0, 200, "a write is never stale");
    assert_eq!(sandbox.world().sns.topics.len(), 3);
}

#[tokio::test]
async fn slow_answers_take_their_time_on_the_sandboxs_clock() {
    let sandbox = sandbox(world(), "slow@1=90s");
    let before = sandbox.clock().now();
    assert_eq!(ask(&sandbox, publish()).await.0, 200);
    assert_eq!(sandbox.clock().now().duration_since(before).as_secs(), 90);
}

#[tokio::test]
async fn after_the_end_nothing_returns_and_the_account_is_as_it_was_left() {
    for (faults, done) in [("end-before@2", 1), ("end-after@2", 2)] {
        let sandbox = sandbox(world(), faults);
        let run = async {
            for _ in 0..5 {
                ask(&sandbox, publish()).await;
            }
        };
        tokio::select! {
            () = run => panic!("the run goes on after its end"),
            number = sandbox.ended() => assert_eq!(number, 2),
        }
        assert_eq!(sandbox.world().sns.messages.len(), done, "{faults}");
        let dead = tokio::time::timeout(Duration::from_millis(20), sandbox.handle(publish())).await;
        assert!(dead.is_err());
        let next = Sandbox::new(sandbox.world(), Options { clock: sandbox.clock(), ..Options::default() }).unwrap();
        assert_eq!(ask(&next, publish()).await.0, 200);
        assert_eq!(next.world().sns.messages.len(), done + 1);
    }
}

/// Runs itself once more as a process of its own, which the fault then kills.
#[cfg(unix)]
#[tokio::test]
async fn the_end_can_be_a_real_one() {
    use std::os::unix::process::ExitStatusExt;
    const ACCOUNT: &str = "HOLDFAST_TEST_KILLED_WITH_ACCOUNT";
    if let Some(file) = std::env::var_os(ACCOUNT) {
        let options = Options { faults: "end-after@1".parse().unwrap(), kill: true, save_to: Some(file.into()), ..Options::default() };
        let sandbox = Sandbox::new(world(), options).unwrap();
        let _ = sandbox.handle(publish()).await;
        std::process::exit(0);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::tests::the_end_can_be_a_real_one"])
        .env(ACCOUNT, &file)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(child.signal(), Some(9));
    let left = Sandbox::load(&file, Options::default()).unwrap().unwrap();
    assert_eq!(left.world().sns.messages.len(), 1, "the effect is there, the process is not");
}

#[tokio::test]
async fn an_account_file_that_is_wrong_is_told_where() {
    let error =
        Sandbox::from_yaml("account: '000000000000'\nsns:\n  topics:\n    alerts: {colour: red}\n", Options::default()).unwrap_err();
    assert!(error.to_string().contains("colour") && error.to_string().contains("line 4"), "{error}");
    let error = Sandbox::from_yaml("account: 12\n", Options::default()).unwrap_err();
    assert!(error.to_string().contains("account"), "{error}");
    let error = Sandbox::from_yaml("pageSize: 0\n", Options::default()).unwrap_err();
    assert!(error.to_string().contains("pageSize"), "{error}");
}

#[tokio::test]
async fn a_saved_account_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let options = || Options { clock: Clock::simulated(start), save_to: Some(file.clone()), ..Options::default() };
    assert!(Sandbox::load(&file, options()).unwrap().is_none());
    let first = Sandbox::new(world(), options()).unwrap();
    first.clock().advance(Duration::from_secs(3600));
    assert_eq!(ask(&first, publish()).await.0, 200);
    let second = Sandbox::load(&file, options()).unwrap().unwrap();
    assert_eq!(second.world(), first.world());
    assert_eq!(second.clock().now(), first.clock().now(), "time does not run backwards");
    std::fs::write(&file, "{").unwrap();
    assert!(Sandbox::load(&file, options()).is_err());
}

#[tokio::test]
async fn requests_are_written_down_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { record_dir: Some(folder.path().to_owned()), ..Options::default() };
    let sandbox = Sandbox::new(world(), options).unwrap();
    let secret = serde_json::json!({"Name": "redis", "SecretString": "canary"});
    ask(&sandbox, json("secretsmanager", "secretsmanager.CreateSecret", &secret)).await;
    ask(&sandbox, publish()).await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((files.len(), lines.len()), (1, 2));
    assert!(!text.contains("canary") && !text.contains("Signature"), "{text}");
    assert_eq!(
        (lines[0]["operation"].as_str(), lines[1]["body"].as_str().is_some_and(|body| body.contains("Message=x"))),
        (Some("CreateSecret"), true)
    );
    assert!(!format!("{:?}", sandbox.recorded()).contains("canary"));
}

/// What comes back on a connection of its own.
async fn exchange(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A reset connection is an end, too.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn it_answers_over_tcp() {
    let sandbox = sandbox(world(), "cut-after@3");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = sandbox.clone();
    let server = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        served.serve(listener, stopped).await
    });

    let publish = |authorization: &str| {
        let body = format!("Action=Publish&TopicArn={ALERTS}&Message=x");
        let length = body.len();
        format!("POST / HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let signed = publish(&format!("Authorization: {}\r\n", authorization("AKIASANDBOX", "sns")));
    let answer = exchange(address, &signed).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("<MessageId>"), "{answer}");
    let answer = exchange(address, &publish("")).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>MissingAuthenticationToken</Code>"), "{answer}");
    assert_eq!(exchange(address, &signed).await, "", "the third call is cut after its effect");

    let world = exchange(address, "GET /_holdfast/world HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let (_, body) = world.split_once("\r\n\r\n").unwrap();
    let world: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(world["sns"]["messages"].as_array().unwrap().len(), 2);
    assert_eq!(sandbox.calls(), 3, "looking at the account is no call");

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
