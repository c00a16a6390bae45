//! Compiling from the command line: the cache, its locks, interruptions and errors. A stand-in for the C++ compiler,
//! which keeps a log, makes these tests quick; the bridge's tests use the real one.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use assert_cmd::cargo::CommandCargoExt;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

const PROGRAM: &str = "parameters {\n  real mu;\n}\nmodel {\n  mu ~ std_normal();\n}\n";

/// Writes what it was asked for and logs it; before a program is compiled it runs what $BEFORE says.
const COMPILER: &str = r#"#!/bin/sh
for last; do :; done
[ "$last" = --version ] && { echo "stand-in 1.0"; exit; }
for argument; do
    [ "$previous" = -o ] && output=$argument
    previous=$argument
done
[ "$output" = model.o ] && eval "$BEFORE"
echo "$output" >>"$LOG"
echo "made from $*" >"$output"
"#;

/// A cache folder that holds the installed toolchain's parts and nothing compiled, and a stand-in for the compiler.
struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self::without_toolchain();
        sandbox.link("httpstan-4.17.0", &["stanc", "include", "lib", "toolchain.json"]);
        sandbox
    }

    /// Links the parts of a toolchain that is installed.
    fn link(&self, toolchain: &str, parts: &[&str]) {
        let name = format!("toolchains/{toolchain}");
        let installed = stanmatch::toolchain::cache_directory().unwrap().join(&name);
        let linked = self.path("cache").join(&name);
        fs::create_dir_all(&linked).unwrap();
        for part in parts {
            assert!(installed.join(part).exists(), "{toolchain} is not installed; `make test` installs it");
            symlink(installed.join(part), linked.join(part)).unwrap();
        }
    }

    fn without_toolchain() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        sandbox.write("program.stan", PROGRAM);
        sandbox.write("compiler", COMPILER);
        fs::set_permissions(sandbox.path("compiler"), fs::Permissions::from_mode(0o755)).unwrap();
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn stanmatch(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("stanmatch").unwrap();
        command.args(arguments).current_dir(self.folder.path()).env_remove("BRIDGESTAN").env_remove("BEFORE");
        command
            .env("STANMATCH_CACHE", self.path("cache"))
            .env("CXX", self.path("compiler"))
            .env("LOG", self.path("log"));
        command
    }

    fn compile(&self) -> Command {
        self.stanmatch(&["compile", "program.stan"])
    }

    /// What the compiler made so far, by name.
    fn made(&self, name: &str) -> usize {
        fs::read_to_string(self.path("log")).unwrap_or_default().lines().filter(|line| *line == name).count()
    }

    /// The files of the only compiled program.
    fn model_files(&self) -> Vec<String> {
        let models: Vec<_> = fs::read_dir(self.path("cache/models")).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(models.len(), 1, "{models:?}");
        names(&models[0])
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn library(output: &Output) -> PathBuf {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

#[track_caller]
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("error: "), "{message}");
    message
}

/// Starts `command` and returns once it says that it compiles the program.
fn until_compiling(mut command: Command) -> (Child, BufReader<impl Read>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Compiling program ") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before it compiled the program");
    }
    (child, stderr)
}

#[test]
fn the_compilers_arguments_decide_which_library_is_found() {
    let sandbox = Sandbox::new();
    let compile = |argument: &str| {
        let compiler = format!("{} {argument}", sandbox.path("compiler").display());
        library(&sandbox.compile().env("CXX", compiler).output().unwrap())
    };
    let plain = compile("");
    assert_ne!(plain, compile("-march=native"));
    assert_eq!(plain, compile(""));
    assert_eq!((sandbox.made("model.so"), sandbox.made("bridge.o")), (2, 2));
}

/// A stanli whose library is no library.
fn break_stanli(sandbox: &Sandbox) {
    let folder = sandbox.path("cache/toolchains/stanli-0.24.0");
    fs::create_dir_all(folder.join("_bin")).unwrap();
    fs::write(folder.join("toolchain.json"), "{}").unwrap();
    fs::write(folder.join(format!("_bin/libstanli.{}", std::env::consts::DLL_EXTENSION)), "truncated").unwrap();
}

#[test]
fn models_are_compiled_where_stanli_cannot_be_loaded() {
    let sandbox = Sandbox::new();
    break_stanli(&sandbox);
    let sample = |options: &[&str]| {
        failure(&sandbox.stanmatch(&["sample", "--model", "program.stan"]).args(options).output().unwrap())
    };
    let message = sample(&[]);
    assert!(
        message.contains("program.stan is compiled, as it has no instant model (") && message.contains("libstanli")
    );
    assert_eq!(sandbox.made("model.so"), 1, "{message}");
    let message = sample(&["--toolchain", "stanli"]);
    assert!(message.contains("libstanli") && message.contains("`stanmatch toolchain install --force`"), "{message}");
    let doctor = sandbox.stanmatch(&["doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && said.ends_with("Models are compiled.\n"), "{said}");
    let doctor = sandbox.stanmatch(&["doctor", "--json"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(document["toolchain"]["source"], "httpstan");
}

#[test]
fn a_bridgestan_folder_is_never_ignored_but_an_empty_one_of_the_environment() {
    let sandbox = Sandbox::new();
    for toolchain in ["stanli", "httpstan"] {
        let mut command = sandbox.compile();
        let output = command.args(["--toolchain", toolchain, "--bridgestan", "folder"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains("--bridgestan names a folder"), "{said}");
        let mut command = sandbox.compile();
        // What the environment says is for other commands, or for none.
        let toolchain = ["--toolchain", "httpstan"];
        library(&command.args(toolchain).env("BRIDGESTAN", "folder").output().unwrap());
    }
    let mut command = sandbox.compile();
    library(&command.env("BRIDGESTAN", "").env("POSTERIORDB", "").output().unwrap());
    let output = sandbox.stanmatch(&["db", "list"]).env("POSTERIORDB", "").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn toolchains_are_listed_before_there_is_a_compiler() {
    let sandbox = Sandbox::new();
    let output = sandbox.stanmatch(&["toolchain", "list", "--json"]).env("CXX", "no-such-compiler").output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let httpstan = &document["toolchains"][0];
    assert_eq!((&httpstan["source"], &httpstan["compiler"]), (&"httpstan".into(), &serde_json::Value::Null));
}

#[test]
fn a_compiled_program_is_found_again() {
    let sandbox = Sandbox::new();
    let first = library(&sandbox.compile().output().unwrap());
    assert_eq!(first, library(&sandbox.compile().output().unwrap()));
    assert_eq!((sandbox.made("model.so"), sandbox.made("bridge.o")), (1, 1));
    assert_eq!(sandbox.model_files(), ["lock", "model.json", "model.so", "program.stan"]);
    sandbox.write("program.stan", &PROGRAM.replace("std_normal()", "normal(0, 2)"));
    assert_ne!(first, library(&sandbox.compile().output().unwrap()));
    assert_eq!((sandbox.made("model.so"), sandbox.made("bridge.o")), (2, 1));
}

#[test]
fn a_changed_include_is_compiled_anew() {
    let sandbox = Sandbox::new();
    sandbox.write("program.stan", "#include prior.stan\n");
    sandbox.write("prior.stan", PROGRAM);
    let first = library(&sandbox.compile().output().unwrap());
    sandbox.write("prior.stan", &PROGRAM.replace("std_normal()", "normal(0, 2)"));
    assert_ne!(first, library(&sandbox.compile().output().unwrap()));
}

#[test]
fn a_corrupt_library_is_compiled_again() {
    let sandbox = Sandbox::new();
    let path = library(&sandbox.compile().output().unwrap());
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    for (times, corrupt) in [&flipped[..], &whole[..whole.len() / 2], &[]].into_iter().enumerate() {
        fs::write(&path, corrupt).unwrap();
        assert_eq!(path, library(&sandbox.compile().output().unwrap()));
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(sandbox.made("model.so"), times + 2);
    }
}

#[test]
fn two_processes_compile_a_program_once() {
    let sandbox = Sandbox::new();
    // The first waits inside the compiler, while it holds the lock, for the second to be under way.
    let fifo = sandbox.path("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = sandbox.compile();
    command.env("BEFORE", format!("read go <'{}'", fifo.display()));
    let (first, _stderr) = until_compiling(command);
    let mut second = sandbox.compile();
    let second = second.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(waits_for_a_lock(second.id()), "the second does not wait for the first");
    fs::write(&fifo, "go\n").unwrap();
    let (first, second) = (first.wait_with_output().unwrap(), second.wait_with_output().unwrap());
    assert_eq!(library(&first), library(&second));
    assert_eq!((sandbox.made("model.so"), sandbox.made("bridge.o")), (1, 1));
}

/// Whether a process comes to wait for a lock before long.
fn waits_for_a_lock(process: u32) -> bool {
    let waiter = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some("->") && words.nth(3) == Some(&process.to_string())
    };
    let start = std::time::Instant::now();
    while start.elapsed().as_secs() < 30 {
        if fs::read_to_string("/proc/locks").unwrap().lines().any(waiter) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn an_interruption_ends_the_compiler_and_leaves_no_partial_file() {
    let sandbox = Sandbox::new();
    let (fifo, never) = (sandbox.path("pid"), sandbox.path("never"));
    assert!(Command::new("mkfifo").args([&fifo, &never]).status().unwrap().success());
    let mut command = sandbox.compile();
    // A grandchild, as g++ has in cc1plus, that tells its number and then waits for ever.
    command.env("BEFORE", format!("sh -c 'echo $$ >{}; read x <{}'", fifo.display(), never.display()));
    let (mut child, _stderr) = until_compiling(command);
    let grandchild = fs::read_to_string(&fifo).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(ends(Pid::from_raw(grandchild).unwrap()), "the compiler's child still runs");
    assert_eq!(sandbox.model_files(), ["lock"]);
    library(&sandbox.compile().output().unwrap());
}

#[test]
fn what_a_killed_process_leaves_does_not_hinder_the_next() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.path("never");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = sandbox.compile();
    command.env("BEFORE", format!("read x <'{}'", fifo.display()));
    let (mut child, _stderr) = until_compiling(command);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    assert!(!sandbox.model_files().contains(&"model.so".to_owned()));
    // The compiler that was left behind ends without harm when its pipe does.
    drop(fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap());
    library(&sandbox.compile().output().unwrap());
    assert_eq!(sandbox.model_files(), ["lock", "model.json", "model.so", "program.stan"]);
}

/// Whether a process that was sent SIGKILL is gone, or dead and only not yet waited for, before long.
fn ends(process: Pid) -> bool {
    let start = std::time::Instant::now();
    while start.elapsed().as_secs() < 10 {
        let status = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
        if test_kill_process(process).is_err() || status.is_ok_and(|it| it.contains(") Z ")) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn a_wrong_program_is_shown_with_its_line() {
    let sandbox = Sandbox::new();
    sandbox.write("program.stan", &PROGRAM.replace("std_normal", "standard_normal"));
    let message = failure(&sandbox.compile().output().unwrap());
    assert!(message.contains("program.stan is not a valid Stan program"), "{message}");
    assert!(message.contains("'program.stan', line 5") && message.contains("standard_normal"), "{message}");
    assert_eq!(sandbox.model_files(), ["lock"]);
}

#[test]
fn the_compilers_words_are_shown() {
    let sandbox = Sandbox::new();
    let run = |before: &str| failure(&sandbox.compile().env("BEFORE", before).output().unwrap());
    let message = run("echo 'model.hpp:7: too clever' >&2; exit 3");
    assert!(message.contains("cannot compile program.stan: model.hpp:7: too clever"), "{message}");
    let message = run("echo 'cc1plus: No space left on device' >&2; exit 1");
    assert!(message.contains("is full") && message.contains("STANMATCH_CACHE"), "{message}");
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let sandbox = Sandbox::without_toolchain();
    let home = sandbox.path("home");
    let message = failure(&sandbox.compile().env("HOME", home).output().unwrap());
    assert!(message.contains("`stanmatch toolchain install --from httpstan`"), "{message}");
    let message = failure(&sandbox.compile().args(["--toolchain", "stanli"]).output().unwrap());
    assert!(message.contains("stanli makes instant models and no libraries"), "{message}");
    let message = failure(&sandbox.stanmatch(&["compile", "gone.stan"]).output().unwrap());
    assert!(message.contains("cannot read gone.stan") && message.matches("No such file").count() == 1, "{message}");
    assert_eq!(message.matches("No such file").count(), 1, "the cause is said once: {message}");
    let sandbox = Sandbox::new();
    let message = failure(&sandbox.compile().env("CXX", "no-such-compiler").output().unwrap());
    assert!(message.contains("no-such-compiler") && message.contains("apt-get install g++"), "{message}");
    let message = failure(&sandbox.compile().env("CXX", "false").output().unwrap());
    assert!(message.contains("cannot run false (asked for its version it ended with exit status: 1)"), "{message}");
}

#[test]
fn the_compiler_may_be_a_command_of_several_words() {
    let sandbox = Sandbox::new();
    let command = format!("env {}", sandbox.path("compiler").display());
    library(&sandbox.compile().env("CXX", command).output().unwrap());
    assert_eq!((sandbox.made("model.so"), sandbox.made("bridge.o")), (1, 1));
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    // A file where a folder should be stops root too, whom permissions do not.
    sandbox.write("cache/models", "");
    let message = failure(&sandbox.compile().output().unwrap());
    assert!(message.contains("cannot write to the cache folder") && message.contains("STANMATCH_CACHE"), "{message}");
}

#[test]
fn what_has_no_instant_model_is_compiled_with_the_reason() {
    let sandbox = Sandbox::new();
    sandbox.link("stanli-0.24.0", &["_bin", "toolchain.json"]);
    sandbox.write("program.stan", &PROGRAM.replace("real mu;", "real mu;\n  complex z;"));
    // The stand-in's library cannot be loaded: what is of interest comes before.
    let fit = |options: &[&str]| {
        let arguments = [&["fit", "--model", "program.stan"], options].concat();
        failure(&sandbox.stanmatch(&arguments).output().unwrap())
    };
    let message = fit(&[]);
    let note = "note: program.stan is compiled, as it has no instant model (unsupported sized type SComplex)";
    assert!(message.contains(note) && message.contains("Compiling program "), "{message}");
    let message = fit(&["--toolchain", "stanli"]);
    assert!(message.contains("program.stan has no instant model (unsupported sized type SComplex)"), "{message}");
    let mut command = sandbox.stanmatch(&["fit", "--model", "program.stan"]);
    let message = failure(&command.env("CXX", "no-such-compiler").output().unwrap());
    assert!(message.contains("has no instant model") && message.contains("no-such-compiler"), "{message}");
}

#[test]
fn a_cached_model_is_found_in_a_cache_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    let path = library(&sandbox.compile().output().unwrap());
    let folder = path.parent().unwrap();
    // A folder where the lock should be stops root too, whom permissions do not.
    fs::remove_file(folder.join("lock")).unwrap();
    fs::create_dir(folder.join("lock")).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(path, library(&sandbox.compile().output().unwrap()));
    let message = failure(&sandbox.compile().arg("--force").output().unwrap());
    assert!(message.contains("cannot write to the cache folder"), "{message}");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn another_wheel_is_not_installed() {
    let sandbox = Sandbox::without_toolchain();
    sandbox.write("httpstan.whl", "PK, but not the wheel that we know");
    let install =
        |file: &str| failure(&sandbox.stanmatch(&["toolchain", "install", "--wheel", file]).output().unwrap());
    let message = install("httpstan.whl");
    assert!(message.contains("httpstan.whl") && message.contains("SHA-256"), "{message}");
    let message = install("gone.whl");
    assert!(message.contains("cannot read gone.whl"), "{message}");
    let left = fs::read_dir(sandbox.path("cache/toolchains")).into_iter().flatten();
    assert!(left.map(|entry| entry.unwrap().file_name()).all(|name| name == "lock"));
}

#[test]
fn the_doctor_fails_when_no_model_can_be_made() {
    let report = |sandbox: &Sandbox, options: &[&str]| {
        let arguments = [&["doctor", "--json"], options].concat();
        let output = sandbox.stanmatch(&arguments).env("HOME", sandbox.path("home")).output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), document)
    };
    let state = |document: &serde_json::Value, name: &str| {
        let parts = document["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["name"] == name).unwrap();
        (part["state"].as_str().unwrap().to_owned(), part["remedy"].as_str().map(str::to_owned))
    };
    let remedy = |command: &str| Some(format!("stanmatch toolchain install{command}"));
    let (code, document) = report(&Sandbox::new(), &[]);
    assert_eq!((code, &document["status"]), (0, &"ok".into()));
    assert_eq!(document["toolchain"]["stan_version"], "2.39.0");
    assert_eq!(state(&document, "stanli"), ("absent".into(), remedy("")));
    let (code, document) = report(&Sandbox::without_toolchain(), &[]);
    assert_eq!((code, &document["status"], &document["toolchain"]), (1, &"failed".into(), &serde_json::Value::Null));
    assert_eq!(state(&document, "Stan"), ("missing".into(), remedy(" --from httpstan")));
    assert_eq!(state(&document, "stanli"), ("missing".into(), remedy("")));
    let sandbox = Sandbox::without_toolchain();
    sandbox.link("stanli-0.24.0", &["_bin", "toolchain.json"]);
    let (code, document) = report(&sandbox, &[]);
    assert_eq!((code, &document["toolchain"]["source"]), (0, &"stanli".into()));
    assert_eq!(state(&document, "stanli").0, "ok");
    assert_eq!(state(&document, "Stan"), ("absent".into(), remedy(" --from httpstan")));
    let (code, document) = report(&sandbox, &["--toolchain", "httpstan"]);
    assert_eq!((code, state(&document, "Stan").0), (1, "missing".into()));
}

/// A BridgeStan folder whose makefile copies the program, or complains about it in stanc's and the compiler's words.
fn bridgestan_folder(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path("bridgestan");
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::create_dir_all(folder.join("stan/src/stan")).unwrap();
    let makefile = "%_model.so: %.stan\n\
        \t@if grep -q clumsy $<; then echo \"Semantic error in '$<', line 5, column 2\"; exit 1; fi\n\
        \t@if grep -q clever $<; then echo 'model.hpp:7: too clever'; exit 1; fi\n\
        \t@echo $(STAN_THREADS) '$(STANCFLAGS)' >$@\n\
        \t@for flag in $(STANCFLAGS); do case $$flag in --include-paths=*) ls \"$${flag#*=}/\" >>$@;; esac; done\n";
    fs::write(folder.join("Makefile"), makefile).unwrap();
    fs::write(folder.join("src/bridgestan.h"), "").unwrap();
    let version = "#define STAN_MAJOR 2\n#define STAN_MINOR 38\n#define STAN_PATCH 0\n";
    fs::write(folder.join("stan/src/stan/version.hpp"), version).unwrap();
    folder
}

#[test]
fn a_bridgestan_folder_compiles_into_the_same_cache() {
    let sandbox = Sandbox::without_toolchain();
    let folder = bridgestan_folder(&sandbox);
    let mut command = sandbox.stanmatch(&["compile", "program.stan", "--json"]);
    let output = command.env("BRIDGESTAN", &folder).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["toolchain"]["source"], "bridgestan");
    assert_eq!(document["toolchain"]["stan_version"], "2.38.0");
    let made = fs::read_to_string(document["library"].as_str().unwrap()).unwrap();
    assert!(made.starts_with("true ") && made.contains("--O1"), "{made}");
    assert_eq!(sandbox.model_files(), ["lock", "model.json", "model.so", "program.stan"]);

    let run = |word: &str| {
        sandbox.write("program.stan", &PROGRAM.replace("mu", word));
        failure(&sandbox.compile().arg("--bridgestan").arg(&folder).output().unwrap())
    };
    let message = run("clumsy");
    assert!(message.contains("program.stan is not a valid Stan program: Semantic error"), "{message}");
    let message = run("clever");
    assert!(message.contains("makefile") && message.contains("model.hpp:7: too clever"), "{message}");
}

#[test]
fn a_bridgestan_folder_gives_no_name_to_a_shell() {
    let sandbox = Sandbox::without_toolchain();
    let tree = bridgestan_folder(&sandbox);
    let odd = sandbox.path("a b$(shell touch made){touch,x}; touch shelled; `touch ticked`");
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("program.stan"), PROGRAM).unwrap();
    fs::write(odd.join("beside.stan"), "").unwrap();
    let compile = |tree: &Path| {
        let mut command = sandbox.stanmatch(&["compile"]);
        command.arg(odd.join("program.stan")).arg("--bridgestan").arg(tree);
        command
    };
    let made = fs::read_to_string(library(&compile(&tree).output().unwrap())).unwrap();
    assert!(made.ends_with("\nbeside.stan\nprogram.stan\n"), "{made}");
    for folder in [tree.clone(), sandbox.folder.path().to_owned()] {
        let names = names(&folder);
        assert!(!names.iter().any(|it| ["made", "shelled", "ticked"].contains(&it.as_str())), "{names:?}");
    }
    let message = failure(&compile(&tree).env("STANMATCH_CACHE", sandbox.path("a b")).output().unwrap());
    assert!(message.contains("make cannot handle ' ' in a path") && message.contains("STANMATCH_CACHE"), "{message}");
}

#[test]
fn a_bridgestan_folder_is_made_in_by_one_process_at_a_time() {
    let sandbox = Sandbox::without_toolchain();
    let tree = bridgestan_folder(&sandbox);
    let (inside, go) = (sandbox.path("inside"), sandbox.path("go"));
    assert!(Command::new("mkfifo").args([&inside, &go]).status().unwrap().success());
    let makefile = tree.join("Makefile");
    let wait = "\t@if grep -q waits $<; then echo >$$INSIDE; read go <$$GO; fi\n\t@";
    fs::write(&makefile, fs::read_to_string(&makefile).unwrap().replacen("\t@", wait, 1)).unwrap();
    sandbox.write("first.stan", &PROGRAM.replace("mu", "waits"));
    let start = |program: &str| {
        let mut command = sandbox.stanmatch(&["compile", program, "--bridgestan"]);
        command.arg(&tree).env("INSIDE", &inside).env("GO", &go);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first = start("first.stan");
    fs::read_to_string(&inside).unwrap();
    let second = start("program.stan");
    assert!(waits_for_a_lock(second.id()), "the second does not wait for the first");
    fs::write(&go, "go\n").unwrap();
    for child in [first, second] {
        library(&child.wait_with_output().unwrap());
    }
}
