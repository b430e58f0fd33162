//! SNS, in the wire form of AWS Query.

use super::*;
use crate::sandbox::testing::{ask, form, sandbox};

const ALERTS: &str = "arn:aws:sns:us-east-1:000000000000:alerts";

fn world() -> World {
    let mut world = World::default();
    world.sns.topics.insert("alerts".to_owned(), Topic::default());
    world
}

#[tokio::test]
async fn a_topic_is_made_once_and_found_again() {
    let sandbox = sandbox(World::default(), "");
    let create = "Action=CreateTopic&Version=2010-03-31&Name=alerts&Tags.member.1.Key=team&Tags.member.1.Value=ops";
    for _ in 0..2 {
        let (status, body) = ask(&sandbox, form("sns", create)).await;
        assert_eq!(status, 200, "{body}");
        assert!(body.contains(&format!("<CreateTopicResult><TopicArn>{ALERTS}</TopicArn></CreateTopicResult>")), "{body}");
    }
    assert_eq!(sandbox.world().sns.topics.len(), 1);
    let (status, body) = ask(&sandbox, form("sns", "Action=CreateTopic&Name=alerts&Tags.member.1.Key=team&Tags.member.1.Value=web")).await;
    assert!(status == 400 && body.contains("<Code>InvalidParameter</Code>"), "{body}");
    let (_, body) = ask(&sandbox, form("sns", &format!("Action=ListTagsForResource&ResourceArn={ALERTS}"))).await;
    assert!(body.contains("<member><Key>team</Key><Value>ops</Value></member>"), "{body}");
    let (status, body) = ask(&sandbox, form("sns", "Action=CreateTopic&Name=no%20blank")).await;
    assert!(status == 400 && body.contains("Topic Name"), "{body}");
}

#[tokio::test]
async fn messages_are_kept_with_their_attributes() {
    let sandbox = sandbox(world(), "");
    let publish = format!(
        "Action=Publish&TopicArn={ALERTS}&Subject=changed&Message=3%20changes&MessageAttributes.entry.1.Name=id&MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=abc"
    );
    let (status, body) = ask(&sandbox, form("sns", &publish)).await;
    assert!(status == 200 && body.contains("<MessageId>"), "{body}");
    let messages = sandbox.world().sns.messages;
    let attribute = Attribute { data_type: "String".to_owned(), value: "abc".to_owned() };
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].attributes, BTreeMap::from([("id".to_owned(), attribute)]));
    assert_eq!((messages[0].subject.as_deref(), messages[0].message.as_str()), (Some("changed"), "3 changes"));
    assert!(sandbox.writes().len() == 1 && sandbox.writes()[0].applied);
}

#[tokio::test]
async fn what_cannot_be_published_is_refused() {
    let sandbox = sandbox(world(), "");
    let elsewhere = "arn:aws:sns:us-east-1:111111111111:alerts";
    let long = "x".repeat(LONGEST + 1);
    for (status, code, body) in [
        (404, "NotFound", "Action=Publish&Message=x&TopicArn=arn:aws:sns:us-east-1:000000000000:nothing".to_owned()),
        (403, "AuthorizationError", format!("Action=Publish&Message=x&TopicArn={elsewhere}")),
        (400, "InvalidParameter", "Action=Publish&Message=x&TopicArn=arn:aws:sns:eu-west-1:000000000000:alerts".to_owned()),
        (400, "InvalidParameter", "Action=Publish&Message=x&TopicArn=alerts".to_owned()),
        (400, "InvalidParameter", "Action=Publish&Message=x".to_owned()),
        (400, "InvalidParameter", format!("Action=Publish&TopicArn={ALERTS}&Message=")),
        (400, "InvalidParameter", format!("Action=Publish&TopicArn={ALERTS}&Message={long}")),
        (400, "InvalidParameter", format!("Action=Publish&TopicArn={ALERTS}&Message=x&Subject=a%0Ab")),
        (400, "InvalidParameter", format!("Action=Publish&TopicArn={ALERTS}&Message=x&MessageStructure=json")),
        (
            400,
            "ParameterValueInvalid",
            format!(
                "Action=Publish&TopicArn={ALERTS}&Message=x&MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType=Text&MessageAttributes.entry.1.Value.StringValue=v"
            ),
        ),
        (501, "NotImplemented", "Action=PublishBatch".to_owned()),
        (400, "MissingAction", "Version=2010-03-31".to_owned()),
    ] {
        let (got, answer) = ask(&sandbox, form("sns", &body)).await;
        assert_eq!(got, status, "{answer}");
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{answer}");
    }
    assert_eq!(sandbox.world().sns, world().sns);
}

#[tokio::test]
async fn attributes_have_defaults_and_can_be_set() {
    let sandbox = sandbox(world(), "");
    let get = format!("Action=GetTopicAttributes&TopicArn={ALERTS}");
    let (_, body) = ask(&sandbox, form("sns", &get)).await;
    assert!(body.contains("<entry><key>Owner</key><value>000000000000</value></entry>") && body.contains("__default_policy_ID"), "{body}");
    let set = format!("Action=SetTopicAttributes&TopicArn={ALERTS}&AttributeName=DisplayName&AttributeValue=Alerts");
    assert_eq!(ask(&sandbox, form("sns", &set)).await.0, 200);
    assert!(ask(&sandbox, form("sns", &get)).await.1.contains("<key>DisplayName</key><value>Alerts</value>"));
    let bad = format!("Action=SetTopicAttributes&TopicArn={ALERTS}&AttributeName=Owner&AttributeValue=me");
    assert_eq!(ask(&sandbox, form("sns", &bad)).await.0, 400);
    let subscribe = format!("Action=Subscribe&TopicArn={ALERTS}&Protocol=email&Endpoint=ops@example.com");
    assert!(ask(&sandbox, form("sns", &subscribe)).await.1.contains("pending confirmation"));
    assert!(ask(&sandbox, form("sns", &get)).await.1.contains("<key>SubscriptionsPending</key><value>1</value>"));
}

#[tokio::test]
async fn topics_come_in_pages() {
    let mut world = World { page_size: 2, ..World::default() };
    for number in 0..5 {
        world.sns.topics.insert(format!("topic-{number}"), Topic::default());
    }
    let sandbox = sandbox(world, "");
    let (mut seen, mut token) = (0, String::new());
    for pages in 1.. {
        let (_, body) = ask(&sandbox, form("sns", &format!("Action=ListTopics&NextToken={token}"))).await;
        seen += body.matches("<TopicArn>").count();
        match body.split_once("<NextToken>").and_then(|(_, rest)| rest.split_once('<')) {
            Some((next, _)) => next.clone_into(&mut token),
            None => {
                assert_eq!((seen, pages), (5, 3));
                break;
            }
        }
    }
    assert_eq!(ask(&sandbox, form("sns", "Action=ListTopics&NextToken=nonsense")).await.0, 400);
}

#[tokio::test]
async fn a_topic_whose_key_is_disabled_takes_no_message() {
    let mut world = world();
    let key = world.kms.add("1234", "Disabled");
    world.sns.topics.get_mut("alerts").unwrap().attributes.insert("KmsMasterKeyId".to_owned(), key);
    let sandbox = sandbox(world, "");
    let (status, body) = ask(&sandbox, form("sns", &format!("Action=Publish&TopicArn={ALERTS}&Message=x"))).await;
    assert!(status == 400 && body.contains("<Code>KMSDisabled</Code>"), "{body}");
}
