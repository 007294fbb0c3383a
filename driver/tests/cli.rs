//! The binary as its users meet it.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

const COMMANDS: [&str; 8] =
    ["train", "predict", "evaluate", "serve", "status", "drill", "executor", "paramserver"];

fn howdah(args: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_howdah-driver"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOWDAH_") {
            command.env_remove(name);
        }
    }
    let output = command.args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

/// Runs a command that was given something wrong, and checks that it names that and exits with 2.
fn refused(args: &[&str], words: &[&str]) {
    let (output, text) = howdah(args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: no `{word}` in: {text}");
    }
}

#[test]
fn help_teaches_every_command() {
    let (output, _) = howdah(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    for word in COMMANDS.iter().chain(&["Examples:", "Exit codes:", "--config"]) {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
    for command in COMMANDS {
        let (output, text) = howdah(&[command, "--help"]);
        assert!(output.status.success(), "{command}: {text}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("Usage: ") && !text.contains("lifeline"), "{command}: {text}");
    }
}

#[test]
fn the_version_is_told() {
    let (output, _) = howdah(&["--version"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, format!("howdah-driver {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_flag_is_named_and_exits_with_2() {
    refused(&[], &["Usage: "]);
    refused(&["trian"], &["trian", "train"]);
    refused(&["train", "--epoch", "3"], &["--epoch", "--epochs"]);
    refused(&["train", "--epochs", "many"], &["many", "--epochs"]);
    refused(&["train", "--classes", "cat=a"], &["--data"]);
    refused(&["train", "--executors", "2", "--driver", "http://127.0.0.1:1"], &["--executors", "--driver"]);
    refused(&["predict", "picture.jpg"], &["--model"]);
    refused(&["predict", "--model", "m"], &["<PATH>"]);
}

#[test]
fn a_setting_that_makes_no_sense_is_named_before_anything_is_started_or_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    for (flags, name) in [
        (["--epochs", "0"], "--epochs: "),
        (["--batch", "0"], "--batch: "),
        (["--lr", "nan"], "--lr: "),
        (["--synthetic", "3"], "--synthetic: "),
        (["--data", "no/such/place"], "--data: there is nothing at "),
    ] {
        let fixed = ["train", "--output", output.to_str().unwrap()];
        refused(&[&fixed[..], &flags[..]].concat(), &["error: ", name]);
    }
    assert!(!output.exists());
    refused(&["serve", "--heartbeat-timeout", "0"], &["--heartbeat-timeout", "above 0"]);
    refused(&["serve", "--heartbeat-timeout", "1"], &["--heartbeat-timeout", "--heartbeat-interval"]);
    refused(&["drill", "--driver", "http://127.0.0.1:1"], &["--driver", "started itself"]);
}

#[test]
fn listening_on_the_network_needs_a_flag() {
    refused(&["serve", "--listen", "0.0.0.0:0"], &["--insecure"]);
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let (output, text) = howdah(&["predict", "--model", "no-such.safetensors", "picture.jpg"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("error: ") && text.contains("no-such.safetensors"), "{text}");
}

#[test]
fn a_key_of_the_settings_file_that_no_command_has_is_named_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("driver.toml");
    std::fs::write(&file, "[train]\nepoch = 3\n").unwrap();
    refused(&["--config", file.to_str().unwrap(), "train"], &["`epoch`", "driver.toml", "`epochs`"]);
}
