// SPDX-License-Identifier: GPL-3.0-or-later
//! The socket of a running process, as programs of others speak to it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use common::{PATIENCE, Person, eventually, stderr, trace};
use serde_json::{Value, json};

/// More than are served at once.
const CROWD: usize = 70;

/// Somebody connected.
struct Caller {
    lines: BufReader<UnixStream>,
}

impl Caller {
    fn of(person: &Person) -> Self {
        let stream = UnixStream::connect(person.data().join("socket")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            lines: BufReader::new(stream),
        }
    }

    fn says(&mut self, line: &[u8]) {
        let stream = self.lines.get_mut();
        stream.write_all(line).unwrap();
        stream.write_all(b"\n").unwrap();
    }

    fn hears(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("a line of JSON")
    }

    fn asks(&mut self, request: &Value) -> Value {
        self.says(request.to_string().as_bytes());
        self.hears()
    }

    /// Asks for something, and gives its results.
    #[track_caller]
    fn gets(&mut self, method: &str, params: &Value) -> Vec<Value> {
        let request = json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params});
        let answer = self.asks(&request);
        assert_eq!(answer["id"], method);
        let result = answer["result"].as_array();
        result.unwrap_or_else(|| panic!("{answer}")).clone()
    }
}

#[test]
fn what_the_command_line_need_not_say_may_be_left_out() {
    let alice = Person::new();
    let online = alice.online();
    let mut caller = Caller::of(&alice);
    let id = caller.asks(&json!({"jsonrpc": "2.0", "id": 1, "method": "id"}));
    assert_eq!(id["result"], json!([{ "id": online.ready["id"] }]));
    caller.gets("new", &json!({"title": "Minutes"}));
    caller.gets(
        "edit",
        &json!({"document": "@last", "at": 0, "insert": "The "}),
    );
    let text = caller.gets("cat", &json!({"document": "@last"}));
    assert_eq!(text, [json!({"text": "The # Minutes\n"})]);
    assert_eq!(caller.gets("list", &Value::Null).len(), 1);
    assert!(!caller.gets("stats", &Value::Null).is_empty());
}

#[test]
fn what_is_wrong_with_a_request_is_told_with_its_id() {
    let alice = Person::new();
    let _online = alice.online();
    alice.plain(&["new"]).output().unwrap();
    let mut caller = Caller::of(&alice);
    let request = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    for (request, code) in [
        (json!([request("id", json!({}))]), -32600),
        (json!({"jsonrpc": "1.0", "id": 7, "method": "id"}), -32600),
        (json!({"jsonrpc": "2.0", "id": 7}), -32600),
        (request("run", json!({})), -32601),
        (request("dance", json!({})), -32601),
        (request("id", json!({"bogus": 1})), -32602),
        (
            request("edit", json!({"document": "@last", "at": -1})),
            -32602,
        ),
        (request("sync", json!({"timeout": -1})), -32602),
        (request("sync", json!({"timeout": 1e300})), -32602),
        (
            request(
                "play",
                json!({"document": "@last", "trace": "x", "rate": 0}),
            ),
            -32602,
        ),
        (request("cat", json!({"document": "0123"})), -32000),
    ] {
        let answer = caller.asks(&request);
        assert_eq!(answer["error"]["code"], code, "{request}: {answer}");
        let id = if request.is_array() {
            Value::Null
        } else {
            json!(7)
        };
        assert_eq!(answer["id"], id, "{request}");
    }
    for (line, code) in [(b"no JSON".as_slice(), -32700), (b"\"\xff\"", -32700)] {
        caller.says(line);
        assert_eq!(caller.hears()["error"]["code"], code);
    }
    // A request that wants no response gets none, and is carried out.
    let edit = json!({"document": "@last", "at": 0, "insert": "silently"});
    let request = json!({"jsonrpc": "2.0", "method": "edit", "params": edit});
    caller.says(request.to_string().as_bytes());
    let text = caller.gets("cat", &json!({"document": "@last"}));
    assert_eq!(text[0]["text"], "silently");
}

#[test]
fn who_only_listens_or_says_nothing_keeps_nobody_out() {
    let alice = Person::new();
    let online = alice.online();
    let idle: Vec<Caller> = (0..CROWD).map(|_| Caller::of(&alice)).collect();
    assert_eq!(
        Caller::of(&alice).gets("id", &Value::Null)[0]["id"],
        online.ready["id"]
    );
    drop(idle);
    // Those who follow what happens, while nothing does, and go away.
    let follow = json!({
        "jsonrpc": "2.0", "id": 1, "method": "events", "params": {"follow": true}, "stream": true,
    });
    for _ in 0..CROWD {
        let mut caller = Caller::of(&alice);
        let told = caller.asks(&follow);
        assert_eq!(told["params"]["result"]["event"], "ready");
    }
    assert_eq!(
        Caller::of(&alice).gets("id", &Value::Null)[0]["id"],
        online.ready["id"]
    );
    // Who has said all and goes on listening is not sent away.
    let mut listener = Caller::of(&alice);
    listener.asks(&follow);
    listener
        .lines
        .get_ref()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    alice.plain(&["mode", "offline"]).output().unwrap();
    eventually("the listener is told", || {
        listener.hears()["params"]["result"]["event"] == "mode-changed"
    });
}

#[test]
fn a_crowd_that_comes_at_once_is_served() {
    let alice = Person::new();
    let online = alice.online();
    let asking: Vec<_> = (0..3 * CROWD)
        .map(|_| Caller::of(&alice))
        .map(|mut caller| std::thread::spawn(move || caller.gets("id", &Value::Null)))
        .collect();
    for asked in asking {
        assert_eq!(asked.join().unwrap()[0]["id"], online.ready["id"]);
    }
}

#[test]
fn file_names_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;

    let alice = Person::new();
    let _online = alice.online();
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsString::from_vec(b"notes-\xff.md".to_vec());
    let path = folder.path().join(name);
    std::fs::write(&path, "# Notes\n").unwrap();
    let output = alice.plain(&["import"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(alice.stdout(&["cat", "@last"]), "# Notes\n");
}

#[test]
fn what_is_played_for_long_keeps_nobody_from_writing() {
    let alice = Person::new();
    let _online = alice.online();
    alice.plain(&["new"]).output().unwrap();
    let trace = trace("friendsforever_flat.json.gz");
    // A quarter of an hour.
    let mut playing = alice
        .plain(&["play", "@last", trace.to_str().unwrap(), "--rate", "30"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("something was played", || !alice.cat().is_empty());
    for _ in 0..2 {
        // Where it ends up among what is played is another question.
        let edit = alice.json(&["edit", "@last", "--at", "0", "--insert", "[hers]"]);
        assert!(edit[0]["operation"].is_string());
    }
    let length = alice.cat().len();
    eventually("it goes on", || alice.cat().len() > length);
    assert!(playing.try_wait().unwrap().is_none(), "it is not over");
    playing.kill().unwrap();
    playing.wait().unwrap();
}

#[test]
fn what_is_played_may_change_nothing() {
    let alice = Person::new();
    let _online = alice.online();
    alice.plain(&["new"]).output().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    // Positions past the end are clamped, so that nothing is left of the second and the last edit.
    std::fs::write(
        &trace,
        r#"{"startContent":"","endContent":"yx","txns":[{"patches":[[0,0,"x"]]},
            {"patches":[[5,1,""]]},{"patches":[[0,0,"y"]]},{"patches":[[7,2,""]]}]}"#,
    )
    .unwrap();
    let mut playing = alice
        .plain(&["play", "@last", trace.to_str().unwrap()])
        .args(["--agent", "0", "--rate", "20", "--ack", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("all of it was played", || {
        playing.try_wait().unwrap().is_some()
    });
    let output = playing.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("acked 4\n"), "{output}");
    assert!(output.contains(r#""edits":4"#), "{output}");
    assert_eq!(alice.cat(), "yx");
}
