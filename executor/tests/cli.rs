//! The binary as its users meet it.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn howdah(args: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_howdah-executor"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOWDAH_") {
            command.env_remove(name);
        }
    }
    let output = command.args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

#[test]
fn help_teaches() {
    let (output, _) = howdah(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    for word in ["--driver", "--slots", "--memory", "HOWDAH_DRIVER", "Examples:", "Exit codes:", "--config"] {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
    assert!(!text.contains("lifeline"), "{text}");
}

#[test]
fn a_wrong_flag_is_named_and_exits_with_2() {
    let driver = ["--driver", "http://127.0.0.1:1"];
    for (flags, words) in [
        (&[][..], &["--driver"][..]),
        (&["--driver", "10.0.0.1"], &["`10.0.0.1` is no address of the form http://host:port", "hint: "]),
        (&[driver[0], driver[1], "--slots", "0"], &["--slots"]),
        (&[driver[0], driver[1], "--memory", "much"], &["--memory", "`much` is no size like 500MiB"]),
        (&[driver[0], driver[1], "--listen", "0.0.0.0:0"], &["--insecure"]),
    ] {
        let (output, text) = howdah(flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
        for word in words {
            assert!(text.contains(word), "{flags:?}: no `{word}` in: {text}");
        }
    }
}

#[test]
fn a_driver_that_does_not_answer_is_given_up_when_the_user_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (output, text) = howdah(&["--driver", &format!("http://{free}"), "--give-up-after", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("the driver at http://{free} couldn't be reached")), "{text}");
}
