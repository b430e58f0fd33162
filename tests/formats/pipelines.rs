//! The pipelines of `examples/pull-request/`, run step by step as their runners would, against a fake of the endpoint that takes comments.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

const MARK: &str = "<!-- holdfast -->";
const MANIFEST: &str = "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {name: pipelines}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n  s3:\n    buckets:\n";
const BEFORE: &str = "      - {name: huntaze-assets, versioning: Enabled}\n";
const MORE: &str = "      - {name: huntaze-uploads, ownership: BucketOwnerEnforced}\n";

/// A site that keeps comments, as GitHub and GitLab do; what it was asked, a line each.
struct Site {
    url: String,
    comments: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Begins with comments of others, one of whom has written our mark: more than fit on a page.
    fn new() -> Site {
        let others =
            (0..120).map(|number| comment(number, 7, "User", &if number == 3 { format!("{MARK} mine") } else { "hello".to_owned() }));
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
        let ours = comments.iter().filter(|one| one["user"]["type"] == "Bot");
        ours.map(|one| one["body"].as_str().expect("a text").to_owned()).collect()
    }
}

fn comment(id: usize, by: u64, kind: &str, body: &str) -> Value {
    json!({"id": id, "user": {"type": kind}, "author": {"id": by}, "body": body})
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
            let one = comment(all.len(), 99, "Bot", &text());
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

/// A working copy: manifests, those of the base beside them, and a `holdfast` that runs on the sandbox.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for place in ["bin", "manifests", "base/manifests", ".github/holdfast", "ci"] {
        std::fs::create_dir_all(folder.path().join(place)).expect("a folder");
    }
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).expect("a file");
    write("manifests/m.yaml", &format!("{MANIFEST}{BEFORE}{MORE}"));
    write("base/manifests/m.yaml", &format!("{MANIFEST}{BEFORE}"));
    let program = env!("CARGO_BIN_EXE_holdfast");
    write(
        "bin/holdfast",
        &format!("#!/bin/sh\ncase $1 in reconcile) exec '{program}' \"$@\" --sandbox ;; *) exec '{program}' \"$@\" ;; esac\n"),
    );
    write("bin/cargo", "#!/bin/sh\ntest \"$1 $2\" = 'install --locked'\n");
    for file in ["holdfast", "cargo"] {
        let mut mode = std::fs::metadata(folder.path().join("bin").join(file)).expect("a file").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(folder.path().join("bin").join(file), mode).expect("a program");
    }
    std::fs::copy(example("comment.sh"), folder.path().join(".github/holdfast/comment.sh")).expect("a script");
    std::fs::copy(example("note.sh"), folder.path().join("ci/note.sh")).expect("a script");
    folder
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
        let output = shell(folder, step["run"].as_str().expect("a script"), &env);
        code = output.status.code();
        if !output.status.success() {
            println!("{name}: {}: {}", step["name"], said(&output));
            break;
        }
    }
    code
}

const GIVEN: [(&str, &str); 5] = [
    ("vars.HOLDFAST_SOURCE", "https://example.com/holdfast"),
    ("github.token", "the-token"),
    ("github.event.pull_request.number", "12"),
    ("env.AWS_REGION", "us-east-1"),
    ("inputs.approve", ""),
];

#[test]
fn github_has_one_comment_and_keeps_it_up_to_date() {
    let (folder, site, given) = (copy(), Site::new(), BTreeMap::from(GIVEN));
    assert_eq!(job("validate", folder.path(), &given, &site), Some(0));
    assert!(site.asked.lock().expect("no panic").is_empty(), "a fork's job has asked something");
    assert_eq!(job("plan", folder.path(), &given, &site), Some(0));
    let ours = site.ours();
    assert!(ours.len() == 1 && ours[0].starts_with(&format!("{MARK}\n\n**holdfast: needs consent.**")), "{ours:?}");
    assert!(ours[0].contains("#### What this commit changes") && ours[0].contains("`ownership`"), "{ours:?}");
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
    assert_eq!(site.comments.lock().expect("no panic")[3]["body"], format!("{MARK} mine"));
}

#[test]
fn github_applies_what_was_reviewed() {
    let (folder, site, mut given) = (copy(), Site::new(), BTreeMap::from(GIVEN));
    assert_eq!(job("apply", folder.path(), &given, &site), Some(3), "what needs consent has none");
    assert_eq!(job("plan", folder.path(), &given, &site), Some(0));
    let page = site.ours().remove(0);
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
    std::fs::write(folder.path().join("base/manifests/m.yaml"), &text).expect("a file");
    assert_eq!(job("plan", folder.path(), &given, &site), Some(1));
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
            "plan" => assert!(when.contains("github.event.pull_request.head.repo.full_name == github.repository"), "{when}"),
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
    let git = |arguments: &str| {
        let script = format!("git -c user.name=t -c user.email=t@example.com {arguments}");
        let output = shell(folder.path(), &script, &BTreeMap::new());
        assert!(output.status.success(), "{}", said(&output));
    };
    // The base is a commit, and the change another.
    std::fs::rename(folder.path().join("base/manifests/m.yaml"), folder.path().join("m.new")).expect("a file");
    std::fs::remove_dir_all(folder.path().join("base")).expect("a folder");
    let now = std::fs::read(folder.path().join("manifests/m.yaml")).expect("a file");
    std::fs::rename(folder.path().join("m.new"), folder.path().join("manifests/m.yaml")).expect("a file");
    git("init -q");
    git("add manifests");
    git("commit -qm base");
    git("tag base-of-it");
    std::fs::write(folder.path().join("manifests/m.yaml"), now).expect("a file");
    git("commit -qam change");
    let run = |name: &str, more: &[(&str, &str)]| {
        let lines = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|line| line.as_str().expect("a line").to_owned()).collect()
        };
        let script = [lines(&pipeline["default"]["before_script"]), lines(&pipeline[name]["script"])].concat().join("\n");
        let token = folder.path().join("token").display().to_string();
        let fixed = [
            ("HOLDFAST_SOURCE", "https://example.com/holdfast"),
            ("CI_API_V4_URL", &site.url),
            ("CI_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_IID", "12"),
            ("NOTES_TOKEN", "the-token"),
            ("OIDC_TOKEN", "a-token"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "base-of-it"),
        ];
        let env = fixed.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        shell(folder.path(), &script, &env)
    };
    let output = run("validate", &[]);
    assert!(output.status.success(), "{}", said(&output));
    let output = run("plan", &[]);
    assert!(output.status.success(), "{}", said(&output));
    git("worktree remove --force base");
    let output = run("plan", &[]);
    assert!(output.status.success(), "{}", said(&output));
    let ours = site.ours();
    assert!(ours.len() == 1 && ours[0].starts_with(MARK) && ours[0].contains("#### What this commit changes"), "{ours:?}");
    let xml = std::fs::read_to_string(folder.path().join("plan.xml")).expect("a report");
    assert!(roxmltree::Document::parse(&xml).expect("XML").descendants().any(|node| node.has_tag_name("failure")), "{xml}");
    let hash = ours[0].lines().find_map(|line| line.split_once("--approve ")).expect("how to consent").1;
    let output = run("apply", &[("APPROVE", hash)]);
    assert!(output.status.success(), "{}", said(&output));
}
