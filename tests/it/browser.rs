//! Debian's Chromium, without a screen, told what a person would do: by its `DevTools`
//! protocol, whose messages go over two pipes with a zero behind each.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, from_environment};

/// No answer takes longer, on the busiest of machines.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    n_sent: u64,
    /// What came that was no answer.
    events: Vec<Value>,
}

/// The keys that a page is used with, beside letters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Tab,
    BackTab,
    Enter,
    Space,
    Backspace,
}

impl Key {
    /// Its name, its place, its number on Windows, and what it writes.
    fn parts(self) -> (&'static str, &'static str, u32, &'static str) {
        match self {
            Self::Tab | Self::BackTab => ("Tab", "Tab", 9, ""),
            Self::Enter => ("Enter", "Enter", 13, "\r"),
            Self::Space => (" ", "Space", 32, " "),
            Self::Backspace => ("Backspace", "Backspace", 8, ""),
        }
    }
}

impl Browser {
    /// Shows a file of the project's; `None`, said aloud, where there is no browser.
    pub(crate) fn open(world: &World, file: &str) -> Option<Self> {
        let program = from_environment("LAYR_TEST_BROWSER")?;
        // The protocol is spoken on descriptors 3 and 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"]).arg(program);
        // Tests run as root, where its own sandbox does not start.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]);
        command.arg(format!("--user-data-dir={}", world.path("browser").display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (to, mut out) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let read = serde_json::from_slice(&message).unwrap();
                message.clear();
                if sender.send(read).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self { child, to, from, session: None, n_sent: 0, events: Vec::new() };
        let targets = browser.call("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().unwrap();
        let page = targets.iter().find(|target| target["type"] == "page").unwrap()["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": page, "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        let url = format!("file://{}", world.path(&format!("project/{file}")).display());
        browser.call("Page.navigate", &json!({ "url": url }));
        browser.wait_for("Page.loadEventFired");
        Some(browser)
    }

    fn receive(&mut self) -> Value {
        self.from.recv_timeout(PATIENCE).unwrap()
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.n_sent += 1;
        let mut message = json!({ "id": self.n_sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        loop {
            let answer = self.receive();
            if answer["id"] == self.n_sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|known| known["method"] == event) {
            let next = self.receive();
            self.events.push(next);
        }
    }

    /// What an expression comes to in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    pub(crate) fn press(&mut self, key: Key) {
        let (name, code, number, text) = key.parts();
        let shift = if matches!(key, Key::BackTab) { 8 } else { 0 };
        let mut params = json!({
            "type": "keyDown", "key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": shift,
        });
        if !text.is_empty() {
            params["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", &params);
        params["type"] = "keyUp".into();
        params.as_object_mut().unwrap().remove("text");
        self.call("Input.dispatchKeyEvent", &params);
    }

    pub(crate) fn write(&mut self, text: &str) {
        for letter in text.chars() {
            let text = letter.to_string();
            self.call("Input.dispatchKeyEvent", &json!({ "type": "keyDown", "key": text, "text": text }));
            self.call("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": text }));
        }
    }

    /// Whether its reader has it `light` or `dark`.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
    }

    /// What a developer would be told of: errors, warnings, exceptions.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let of_console = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        let complaints = self
            .events
            .iter()
            .filter(|event| event["method"].as_str().is_some_and(|method| of_console.contains(&method)));
        complaints.map(ToString::to_string).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends with its pipe; its helpers end with it.
        _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
