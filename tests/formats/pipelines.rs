//! The pipelines of `examples/pull-request/`, run step by step as their runners would, against a fake of the endpoint that takes comments.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

const MARK: &str = "<!-- holdfast -->";
const US: &str = "github-actions[bot]";
const MANIFEST: &str = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: pipelines}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n  s3:\n    buckets:\n";
const FIRST: &str = "      - {name: huntaze-assets, tags: {team: web}}\n";
const BEFORE: &str = "      - {name: huntaze-assets, versioning: Enabled}\n";
const MORE: &str = "      - {name: huntaze-uploads, ownership: BucketOwnerEnforced}\n";

/// A site that keeps comments, as GitHub and GitLab do; what it was asked, a line each.
struct Site {
    url: String,
    comments: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Begins with comments of others, a person and a bot of whom have written our mark: more than fit on a page.
    fn new() -> Site {
        let others = (0..120).map(|number| match number {
            3 => comment(number, 7, "somebody", &format!("{MARK} mine")),
            4 => comment(number, 8, "another[bot]", &format!("{MARK} mine")),
            _ => comment(number, 7, "somebody", "hello"),
        });
        let comments = Arc::new(Mutex::new(others.collect::<Vec<_>>()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let site = Site { url, comments: Arc::clone(&comments), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.expect("a connection"), &comments, &asked);
            }
        });
        site
    }

    fn ours(&self) -> Vec<String> {
        let comments = self.comments.lock().expect("no panic");
        let ours = comments.iter().filter(|one| one["user"]["login"] == US);
        ours.map(|one| one["body"].as_str().expect("a text").to_owned()).collect()
    }
}

fn comment(id: usize, by: u64, login: &str, body: &str) -> Value {
    json!({"id": id, "user": {"login": login}, "author": {"id": by}, "body": body})
}

fn answer(stream: TcpStream, comments: &Mutex<Vec<Value>>, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request");
    let (mut length, mut known) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        length = header.strip_prefix("content-length: ").map_or(length, |length| length.parse().expect("a number"));
        known |= header == "authorization: bearer the-token" || header == "private-token: the-token";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let request = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    asked.lock().expect("no panic").push(request.clone());
    let (method, path) = request.split_once(' ').expect("a path");
    let mut all = comments.lock().expect("no panic");
    let text = || serde_json::from_slice::<Value>(&body).expect("JSON")["body"].as_str().expect("a text").to_owned();
    let (status, said) = match method {
        _ if !known => ("401 Unauthorized", json!({})),
        "GET" if path.ends_with("/user") => ("200 OK", json!({"id": 99})),
        "GET" => {
            let page: usize = path.rsplit_once("page=").map_or(1, |(_, page)| page.parse().expect("a number"));
            ("200 OK", all.iter().skip((page - 1) * 100).take(100).cloned().collect())
        }
        "POST" => {
            let one = comment(all.len(), 99, US, &text());
            all.push(one.clone());
            ("201 Created", one)
        }
        _ => {
            let id: usize = path.rsplit_once('/').expect("an id").1.parse().expect("a number");
            all[id]["body"] = text().into();
            ("200 OK", all[id].clone())
        }
    };
    let said = said.to_string();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}", said.len()).expect("an answer");
}

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pull-request").join(file)
}

fn yaml(file: &str) -> Value {
    let text = std::fs::read_to_string(example(file)).expect("a pipeline");
    serde_yaml::from_str(&text).expect("YAML")
}

/// A working copy as it is checked out: the merge of a branch into what has moved on since it was begun, and a `holdfast` that runs on the sandbox.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for place in ["bin", "manifests", ".github/holdfast", "ci"] {
        std::fs::create_dir_all(folder.path().join(place)).expect("a folder");
    }
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).expect("a file");
    let manifest = |entries: &str| write("manifests/m.yaml", &format!("{MANIFEST}{entries}"));
    manifest(FIRST);
    git(folder.path(), "init -q -b main");
    git(folder.path(), "add manifests");
    git(folder.path(), "commit -qm begun");
    git(folder.path(), "tag begun");
    git(folder.path(), "checkout -qb change");
    manifest(&format!("{FIRST}{MORE}"));
    git(folder.path(), "commit -qam change");
    git(folder.path(), "checkout -q main");
    manifest(BEFORE);
    git(folder.path(), "commit -qam meanwhile");
    git(folder.path(), "merge -q --no-commit -s ours change");
    manifest(&format!("{BEFORE}{MORE}"));
    git(folder.path(), "commit -qam merge");
    let program = env!("CARGO_BIN_EXE_holdfast");
    write(
        "bin/holdfast",
        &format!("#!/bin/sh\ncase $1 in reconcile) exec '{program}' \"$@\" --sandbox ;; *) exec '{program}' \"$@\" ;; esac\n"),
    );
    // Which holdfast it is, is said.
    write(
        "bin/cargo",
        "#!/bin/sh\ntest \"$1 $2 $3 $5 $7\" = 'install --locked --git --rev holdfast' && test -n \"$4\" && test -n \"$6\"\n",
    );
    write("bin/apt-get", "#!/bin/sh\necho 'this test needs jq' >&2\nexit 1\n");
    for file in ["holdfast", "cargo", "apt-get"] {
        let mut mode = std::fs::metadata(folder.path().join("bin").join(file)).expect("a file").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(folder.path().join("bin").join(file), mode).expect("a program");
    }
    std::fs::copy(example("comment.sh"), folder.path().join(".github/holdfast/comment.sh")).expect("a script");
    std::fs::copy(example("note.sh"), folder.path().join("ci/note.sh")).expect("a script");
    folder
}

fn git(folder: &Path, arguments: &str) {
    let script = format!("git -c user.name=t -c user.email=t@example.com {arguments}");
    let output = shell(folder, &script, &BTreeMap::new());
    assert!(output.status.success(), "{arguments}: {}", said(&output));
}

fn shell(folder: &Path, script: &str, env: &BTreeMap<String, String>) -> Output {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-eo", "pipefail", "-c", script]).current_dir(folder).env_clear().env("PATH", path).env("HOME", folder).envs(env);
    command.output().expect("bash runs")
}

fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs the steps of a job that are scripts, in order; answers with the exit code of the last. What else it uses is GitHub's.
fn job(name: &str, folder: &Path, given: &BTreeMap<&str, &str>, site: &Site) -> Option<i32> {
    let workflow = yaml("github.yml");
    let steps = workflow["jobs"][name]["steps"].as_array().expect("steps").clone();
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    env.insert("GITHUB_ENV".to_owned(), folder.join("env").display().to_string());
    env.insert("GITHUB_STEP_SUMMARY".to_owned(), folder.join("summary").display().to_string());
    env.insert("GITHUB_API_URL".to_owned(), site.url.clone());
    env.insert("GITHUB_REPOSITORY".to_owned(), "huntaze/infra".to_owned());
    env.extend(workflow["env"].as_object().expect("variables").iter().map(|(name, value)| (name.clone(), text(value))));
    std::fs::write(folder.join("env"), "").expect("a file");
    let mut code = None;
    for step in steps.iter().filter(|step| step["run"].is_string()) {
        let mut env = env.clone();
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            let value = value.as_str().expect("a text");
            let inner = value.strip_prefix("${{ ").and_then(|value| value.strip_suffix(" }}")).expect("an expression");
            env.insert(name.clone(), (*given.get(inner).unwrap_or_else(|| panic!("{inner} is not given"))).to_owned());
        }
        let set = std::fs::read_to_string(folder.join("env")).expect("a file");
        env.extend(set.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())));
        if !looked(step, &env) {
            continue;
        }
        let output = shell(folder, step["run"].as_str().expect("a script"), &env);
        code = output.status.code();
        if !output.status.success() {
            println!("{name}: {}: {}", step["name"], said(&output));
            break;
        }
    }
    code
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Whether a step is run by its `if`, of which there is one form: that an exit code is one of those.
fn looked(step: &Value, env: &BTreeMap<String, String>) -> bool {
    let Some(when) = step["if"].as_str() else { return true };
    let inner = when.strip_prefix("contains(fromJSON('").and_then(|when| when.strip_suffix(')')).expect("a list and a variable");
    let (list, name) = inner.split_once("'), env.").expect("a list and a variable");
    let list: Vec<String> = serde_json::from_str(list).expect("JSON");
    env.get(name).is_some_and(|code| list.contains(code))
}

const GIVEN: [(&str, &str); 4] =
    [("github.token", "the-token"), ("github.event.pull_request.number", "12"), ("env.AWS_REGION", "us-east-1"), ("inputs.approve", "")];

#[test]
fn github_has_one_comment_and_keeps_it_up_to_date() {
    let (folder, site, given) = (copy(), Site::new(), BTreeMap::from(GIVEN));
    // A fork is given nothing.
    assert_eq!(job("validate", folder.path(), &BTreeMap::new(), &site), Some(0));
    assert!(site.asked.lock().expect("no panic").is_empty(), "a fork's job has asked something");
    assert_eq!(job("plan", folder.path(), &given, &site), Some(0));
    let ours = site.ours();
    assert!(ours.len() == 1 && ours[0].starts_with(&format!("{MARK}\n\n**holdfast: needs consent.**")), "{ours:?}");
    assert!(ours[0].contains("#### What this commit changes") && ours[0].contains("`ownership`"), "{ours:?}");
    // What was merged meanwhile is not this commit's.
    let (_, stood) = ours[0].split_once("#### Drift that was there before").expect("what stood");
    assert!(stood.split("####").next().is_some_and(|stood| stood.contains("`versioning`")), "{ours:?}");
    let summary = std::fs::read_to_string(folder.path().join("summary")).expect("a summary");
    assert_eq!(format!("{MARK}\n\n{summary}"), ours[0], "the summary is another plan");
    let sarif: Value = serde_json::from_slice(&std::fs::read(folder.path().join("plan.sarif")).expect("findings")).expect("JSON");
    assert_eq!(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "manifests/m.yaml");
    // Another commit.
    std::fs::write(folder.path().join("manifests/m.yaml"), format!("{MANIFEST}{BEFORE}")).expect("a file");
    assert_eq!(job("plan", folder.path(), &given, &site), Some(0));
    let ours = site.ours();
    assert!(ours.len() == 1 && ours[0].contains("**holdfast: changes.**"), "{ours:?}");
    let asked = site.asked.lock().expect("no panic").clone();
    assert_eq!(asked.iter().filter(|one| one.starts_with("POST ")).count(), 1, "{asked:?}");
    assert!(asked.contains(&"PATCH /repos/huntaze/infra/issues/comments/120".to_owned()), "{asked:?}");
    // Somebody else's comment with our mark in it is left alone.
    for number in [3, 4] {
        assert_eq!(site.comments.lock().expect("no panic")[number]["body"], format!("{MARK} mine"));
    }
}

#[test]
fn github_applies_what_was_reviewed() {
    let (folder, site, mut given) = (copy(), Site::new(), BTreeMap::from(GIVEN));
    assert_eq!(job("apply", folder.path(), &given, &site), Some(3), "what needs consent has none");
    assert_eq!(job("plan", folder.path(), &given, &site), Some(0));
    let page = std::fs::read_to_string(folder.path().join("summary")).expect("a summary");
    let (_, page) = page.split_once("needs consent.").expect("a plan");
    let hash = page.lines().find_map(|line| line.split_once("--approve ")).expect("how to consent").1.to_owned();
    given.insert("inputs.approve", &hash);
    assert_eq!(job("apply", folder.path(), &given, &site), Some(0));
    let summary = std::fs::read_to_string(folder.path().join("summary")).expect("a summary");
    assert!(summary.contains("**holdfast: done.**"), "{summary}");
}

/// A failed run fails the job, and its comment says why.
#[test]
fn github_takes_no_failed_run_for_a_plan() {
    let (folder, site, given) = (copy(), Site::new(), BTreeMap::from(GIVEN));
    let text = format!("{MANIFEST}{BEFORE}").replace("317805897534", "111111111111");
    std::fs::write(folder.path().join("manifests/m.yaml"), &text).expect("a file");
    assert_eq!(job("plan", folder.path(), &given, &site), Some(1));
    assert!(!folder.path().join("plan.sarif").exists(), "it has findings, none of which would close all that are open");
    let ours = site.ours();
    assert!(ours.len() == 1 && ours[0].contains("**holdfast: not completed.**"), "{ours:?}");
}

/// A fork has no credentials, and learns nothing of the account.
#[test]
fn a_fork_gets_validate_alone() {
    let workflow = yaml("github.yml");
    assert!(workflow["on"]["pull_request_target"].is_null(), "it would run a fork's code with secrets");
    assert_eq!(workflow["permissions"], json!({}));
    for (name, job) in workflow["jobs"].as_object().expect("jobs") {
        let may = job["permissions"].as_object().expect("permissions");
        let when = job["if"].as_str().unwrap_or_default();
        match name.as_str() {
            "validate" => assert_eq!(job["permissions"], json!({"contents": "read"})),
            "plan" => {
                assert!(when.contains("github.event.pull_request.head.repo.full_name == github.repository"), "{when}");
                // The newest commit and its parents, or there is no base.
                assert_eq!(job["steps"][0]["with"]["fetch-depth"], 2);
                let upload = job["steps"].as_array().expect("steps").iter().find(|step| step["with"]["sarif_file"].is_string());
                let upload = upload.expect("an upload");
                for (code, is) in [("0", true), ("2", true), ("3", true), ("1", false), ("4", false), ("130", false)] {
                    assert_eq!(looked(upload, &BTreeMap::from([("findings".to_owned(), code.to_owned())])), is, "{code}");
                }
                assert!(!looked(upload, &BTreeMap::new()), "findings that there are none of are uploaded");
            }
            "apply" => assert!(when.contains("github.event_name != 'pull_request'") && job["environment"] == "production", "{when}"),
            other => panic!("the job {other} is not known here"),
        }
        assert!(name == "plan" || !may.contains_key("pull-requests"), "{name} may comment");
        // Expressions inside a script would be put in as they are, whatever they hold.
        let scripts = job["steps"].as_array().expect("steps").iter().filter_map(|step| step["run"].as_str());
        scripts.for_each(|script| assert!(!script.contains("${{"), "{name}: {script}"));
    }
}

#[test]
fn gitlab_has_one_note_and_a_report() {
    let (folder, site) = (copy(), Site::new());
    let pipeline = yaml("gitlab.yml");
    let run = |name: &str, more: &[(&str, &str)]| {
        let lines = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|line| line.as_str().expect("a line").to_owned()).collect()
        };
        let script = [lines(&pipeline["default"]["before_script"]), lines(&pipeline[name]["script"])].concat().join("\n");
        let token = folder.path().join("token").display().to_string();
        let set = pipeline["variables"].as_object().expect("variables").iter().map(|(name, value)| (name.clone(), text(value)));
        let fixed = [
            ("CI_API_V4_URL", site.url.as_str()),
            ("CI_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_IID", "12"),
            ("NOTES_TOKEN", "the-token"),
            ("OIDC_TOKEN", "a-token"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "begun"),
        ];
        let fixed = fixed.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let env = set.chain(fixed).collect();
        shell(folder.path(), &script, &env)
    };
    let output = run("validate", &[]);
    assert!(output.status.success(), "{}", said(&output));
    // A branch that is checked out itself is compared with where it was begun.
    git(folder.path(), "checkout -q change");
    let output = run("plan", &[("CI_MERGE_REQUEST_EVENT_TYPE", "detached")]);
    assert!(output.status.success() && !said(&output).contains("#### Drift that was there before"), "{}", said(&output));
    // The same folder again.
    git(folder.path(), "checkout -q main");
    let output = run("plan", &[("CI_MERGE_REQUEST_EVENT_TYPE", "merged_result")]);
    assert!(output.status.success(), "{}", said(&output));
    let ours = site.ours();
    assert!(ours.len() == 1 && ours[0].starts_with(MARK) && ours[0].contains("#### What this commit changes"), "{ours:?}");
    let (_, stood) = ours[0].split_once("#### Drift that was there before").expect("what stood");
    assert!(stood.split("####").next().is_some_and(|stood| stood.contains("`versioning`")), "{ours:?}");
    assert!(said(&output).contains(ours[0].trim_start_matches(MARK).trim()), "the job's log has no plan: {}", said(&output));
    let xml = std::fs::read_to_string(folder.path().join("plan.xml")).expect("a report");
    assert!(roxmltree::Document::parse(&xml).expect("XML").descendants().any(|node| node.has_tag_name("failure")), "{xml}");
    let hash = ours[0].lines().find_map(|line| line.split_once("--approve ")).expect("how to consent").1;
    let output = run("apply", &[("APPROVE", hash)]);
    assert!(output.status.success(), "{}", said(&output));
}

/// By its rules a job runs for merge requests of the project's own branches, and nothing but `validate` for those of a fork, wherever their pipeline runs.
#[test]
fn gitlab_gives_a_fork_validate_alone() {
    let pipeline = yaml("gitlab.yml");
    let runs = |source: &str, project: &str, from: &str| -> Vec<&str> {
        let merge_request = source == "merge_request_event";
        let of = |operand: &str| -> Option<String> {
            let value = match operand {
                "$CI_PIPELINE_SOURCE" => source,
                "$CI_PROJECT_ID" => project,
                // They are set for merge requests alone, a branch for none.
                "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID" => merge_request.then_some(from)?,
                "$CI_MERGE_REQUEST_PROJECT_ID" => merge_request.then_some("5")?,
                "$CI_COMMIT_BRANCH" => (!merge_request).then_some("main")?,
                "$CI_DEFAULT_BRANCH" => "main",
                text => text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect("a variable that is known here, or a text"),
            };
            Some(value.to_owned())
        };
        let holds = |rule: &Value| {
            let mut parts = rule["if"].as_str().expect("a condition").split(" && ");
            parts.all(|part| part.split_once(" == ").is_some_and(|(one, other)| of(one) == of(other)))
        };
        let all = ["validate", "plan", "apply"].into_iter();
        all.filter(|name| pipeline[name]["rules"].as_array().expect("rules").iter().any(holds)).collect()
    };
    assert_eq!(runs("merge_request_event", "5", "5"), ["validate", "plan"], "a branch of the project");
    assert_eq!(runs("merge_request_event", "6", "6"), ["validate"], "a fork, in the fork");
    assert_eq!(runs("merge_request_event", "5", "6"), ["validate"], "a fork, run in the project by a member");
    assert_eq!(runs("push", "5", "5"), ["validate", "apply"], "the branch itself");
}
