//! `stanmatch suite` from the command line: faults that end jobs, runs that are killed and resumed, and verdicts.
//!
//! The posteriors are those of tests/suite/faulty_model.c, a model that crashes, hangs or eats memory when its data say so.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a suite in it.
struct Suite {
    folder: TempDir,
}

impl Suite {
    /// A suite of posteriors, each with its data and what else its entry in the manifest says, fitted by bam.
    fn new(head: &str, posteriors: &[(&str, Value, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(faulty_model(), folder.path().join("faulty_model.so")).unwrap();
        let suite = Self { folder };
        suite.write(head, posteriors);
        suite
    }

    fn write(&self, head: &str, posteriors: &[(&str, Value, &str)]) {
        let mut manifest = format!("name = 'faulty'\nexpect = 'any'\n{head}\n");
        for (name, data, rest) in posteriors {
            fs::write(self.path(&format!("{name}.json")), data.to_string()).unwrap();
            manifest += &format!(
                "[[posteriors]]\nname = '{name}'\nprogram = 'faulty_model.so'\ndata = '{name}.json'\n{rest}\n"
            );
        }
        fs::write(self.path("suite.toml"), manifest).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stanmatch"));
        command.args(["suite"]).args(arguments).current_dir(self.folder.path()).env_remove("POSTERIORDB");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that ends with `code`, and returns what it says: standard output and error.
    #[track_caller]
    fn ends(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output = self.run(arguments);
        let [out, error] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{error}");
        (out, error)
    }

    /// The jobs of a run file, sorted, without times.
    fn records(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let mut records: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        for record in &mut records {
            let record = record.as_object_mut().unwrap();
            record.remove("seconds").unwrap();
            record.remove("wall_seconds").unwrap();
        }
        records.sort_by_key(|it| (it["posterior"].to_string(), it["configuration"].to_string(), it["seed"].as_u64()));
        records
    }

    fn lines(&self, file: &str) -> usize {
        fs::read(self.path(file)).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count())
    }

    /// Whether a worker of this suite runs: a process in its folder that is not a coordinator.
    fn has_workers(&self) -> bool {
        let folder = self.folder.path().canonicalize().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let here = processes.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder));
        here.filter_map(|process| fs::read_to_string(process.join("cmdline")).ok()).any(|line| line.contains("work\0"))
    }
}

/// The compiled model, made once.
fn faulty_model() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/faulty_model.c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = folder.join("faulty_model.so");
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-lm");
        assert!(compiler.status().unwrap().success());
    });
    library
}

/// Waits for what must come soon.
#[track_caller]
fn eventually(what: &str, mut happens: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happens() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        // Other tests need the processors too.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

const FAST: &str = "[[methods]]\nmethod = 'bam'\ndraws = 100";

fn calm(mean: f64) -> Value {
    json!({ "mean": mean })
}

#[test]
fn two_hundred_jobs_sixty_of_them_faulty() {
    let names: Vec<String> = (0..14).map(|index| format!("calm-{index}")).collect();
    let mut posteriors: Vec<(&str, Value, &str)> =
        names.iter().enumerate().map(|(index, name)| (name.as_str(), calm(index as f64), "")).collect();
    let faults = [
        ("segfault", "limits = { seconds = 60 }", "signal", "SIGSEGV"),
        ("abort", "limits = { seconds = 60 }", "signal", "SIGABRT"),
        ("malformed", "limits = { seconds = 60 }", "signal", "SIGSEGV"),
        ("endless", "limits = { seconds = 1 }", "time", "1 s"),
        ("greedy", "limits = { seconds = 60, megabytes = 200 }", "memory", "200 MB"),
        ("nan", "limits = { seconds = 60 }", "fit", "finite"),
    ];
    posteriors.extend(faults.map(|(mood, limits, _, _)| (mood, json!({ "mood": mood }), limits)));
    let suite = Suite::new(&format!("seeds = 10\n{FAST}"), &posteriors);
    suite.ends(&["run", "suite.toml", "--jobs", "4"], 3);

    let records = suite.records("faulty.run.jsonl");
    let jobs: std::collections::BTreeSet<_> =
        records.iter().map(|it| (it["posterior"].to_string(), it["seed"].as_u64())).collect();
    assert_eq!((records.len(), jobs.len()), (200, 200));
    for record in &records {
        let name = record["posterior"].as_str().unwrap();
        if let Some(index) = name.strip_prefix("calm-") {
            let mean = record["parameters"][0]["location"].as_f64().unwrap();
            let error = (mean - index.parse::<f64>().unwrap()).abs();
            assert!(record["status"] == "ok" && error < 1.2, "{record}");
        } else {
            let (_, _, kind, part) = faults.into_iter().find(|fault| fault.0 == name).unwrap();
            let failure = &record["failure"];
            assert_eq!((&record["status"], &failure["kind"]), (&json!("failed"), &json!(kind)), "{record}");
            assert!(failure["message"].as_str().unwrap().contains(part), "{record}");
        }
    }
    assert!(!suite.has_workers());
}

#[test]
fn a_coordinator_that_is_killed_twenty_times_loses_and_repeats_nothing() {
    let posteriors = [("low", calm(-1.0), ""), ("middle", calm(0.0), ""), ("crash", json!({"mood": "abort"}), "")];
    let suite = Suite::new(&format!("seeds = 30\n{FAST}"), &posteriors);
    suite.ends(&["run", "suite.toml", "--jobs", "3", "--output", "undisturbed"], 3);
    let mut random = 12345_u64;
    for _ in 0..20 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut child = suite
            .command(&["run", "suite.toml", "--resume", "--output", "killed", "--jobs", "3"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Some moments are before the first line, some in the midst of it all.
        let moment = Instant::now() + Duration::from_micros((random >> 33) % 120_000);
        while Instant::now() < moment && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    eventually("the workers of a killed coordinator end", || !suite.has_workers());
    suite.ends(&["run", "suite.toml", "--resume", "--output", "killed"], 3);
    assert_eq!(suite.records("killed"), suite.records("undisturbed"));
}

#[test]
fn a_signal_ends_a_run_that_says_how_to_continue() {
    let suite = Suite::new(
        &format!("seeds = 3\n{FAST}"),
        &[("calm", calm(0.0), ""), ("endless", json!({"mood": "endless"}), "limits = { seconds = 600 }")],
    );
    for (signal, code) in [("INT", 130), ("TERM", 130)] {
        let file = format!("{signal}.jsonl");
        let mut child: Child = suite
            .command(&["run", "suite.toml", "--output", &file, "--jobs", "1"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("three jobs are done and the fourth runs", || suite.lines(&file) == 4 && suite.has_workers());
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success()
        );
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{said}");
        assert!(said.contains("--resume"), "{said}");
        assert_eq!(suite.lines(&file), 4);
        eventually("the workers end", || !suite.has_workers());
    }
}

#[test]
fn a_full_disk_stops_a_run_that_then_continues() {
    let suite = Suite::new(&format!("seeds = 20\n{FAST}"), &[("calm", calm(0.0), ""), ("other", calm(5.0), "")]);
    suite.ends(&["run", "suite.toml", "--output", "whole"], 0);
    // Ten blocks of 512 bytes, and a failed write instead of a signal.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 10; exec '{}' suite run suite.toml --output full",
        env!("CARGO_BIN_EXE_stanmatch")
    );
    let output = Command::new("sh").args(["-c", &limited]).current_dir(suite.folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("full cannot be written") && said.contains("--resume"), "{said}");
    assert!((2..41).contains(&suite.lines("full")));
    suite.ends(&["run", "suite.toml", "--output", "full", "--resume"], 0);
    assert_eq!(suite.records("full"), suite.records("whole"));
    let (_, said) = suite.ends(&["run", "suite.toml", "--output", "/dev/full"], 1);
    assert!(said.contains("/dev/full cannot be written: it is not a regular file"), "{said}");
}

#[test]
fn runs_at_once_do_not_meet_and_the_number_of_jobs_changes_nothing() {
    let suite = Suite::new(&format!("seeds = 10\n{FAST}"), &[("calm", calm(0.0), ""), ("other", calm(5.0), "")]);
    let run = |file: &str, jobs: &str| {
        let mut command = suite.command(&["run", "suite.toml", "--output", file, "--jobs", jobs]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut children = [run("one", "1"), run("three", "3")];
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(suite.records("one"), suite.records("three"));

    for shard in ["1/3", "2/3", "3/3"] {
        suite.ends(&["run", "suite.toml", "--shard", shard, "--output", &shard.replace('/', "-")], 0);
    }
    let (said, _) = suite.ends(&["merge", "1-3", "2-3", "--output", "merged"], 0);
    assert!(said.contains("are missing"), "{said}");
    suite.ends(&["merge", "1-3", "2-3", "3-3", "one", "--output", "merged"], 0);
    assert_eq!(suite.records("merged"), suite.records("one"));
}

#[test]
fn a_torn_last_line_is_run_again_and_other_files_are_refused() {
    let suite = Suite::new(&format!("seeds = 6\n{FAST}"), &[("calm", calm(0.0), "")]);
    suite.ends(&["run", "suite.toml", "--output", "whole"], 0);
    let text = fs::read(suite.path("whole")).unwrap();
    let third = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    for cut in [third + 1, third + 2, third + 100, 10, 0] {
        fs::write(suite.path("torn"), &text[..cut]).unwrap();
        suite.ends(&["run", "suite.toml", "--output", "torn", "--resume"], 0);
        assert_eq!(suite.records("torn"), suite.records("whole"), "cut at {cut}");
    }
    let fails = |arguments: &[&str], part: &str| {
        let (_, said) = suite.ends(arguments, 1);
        assert!(said.starts_with("error: ") && said.contains(part), "{said}");
    };
    fails(&["run", "suite.toml", "--output", "whole"], "whole exists: continue it with --resume");
    fs::write(suite.path("broken"), String::from_utf8(text).unwrap().replacen("\"seed\":", "\"sead\":", 2)).unwrap();
    fails(&["diff", "broken"], "broken, line 2 is not a line of a run file");
    fails(&["run", "suite.toml", "--output", "whole", "--resume", "--seeds", "7"], "other seeds");
    suite.write(&format!("seeds = 6\n{FAST}"), &[("calm", calm(9.0), "")]);
    fails(&["run", "suite.toml", "--output", "whole", "--resume"], "another manifest, other programs or other data");
    suite.ends(&["run", "suite.toml", "--output", "other"], 0);
    fails(&["merge", "whole", "other", "--output", "merged"], "another manifest, other programs or other data");
}

/// The verdict of each posterior in the document of a command.
fn verdicts(out: &str) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(out).unwrap();
    let cells = document["cells"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    cells.map(|cell| (text(&cell["posterior"]), text(&cell["verdict"]))).collect()
}

#[test]
fn a_broken_model_or_setting_is_a_regression_and_other_seeds_are_none() {
    let method = |rest: &str| format!("seeds = 8\n[[methods]]\nname = 'bam'\nmethod = 'bam'\ndraws = 1000\n{rest}");
    let sound = [("one", calm(0.0), ""), ("two", calm(5.0), ""), ("three", calm(-3.0), "")];
    let suite = Suite::new(&method(""), &sound);
    suite.ends(&["run", "suite.toml", "--seeds", "40", "--first-seed", "1001", "--output", "base.run"], 0);
    suite.ends(&["accept", "base.run", "--baseline", "baseline"], 0);
    for repeat in 0..20 {
        let (first, file) = ((repeat * 8).to_string(), format!("repeat-{repeat}"));
        suite.ends(&["run", "suite.toml", "--baseline", "baseline", "--first-seed", &first, "--output", &file], 0);
    }

    // The mean of one posterior moves by half a standard deviation, one crashes, one is gone and one comes.
    let broken = [("one", calm(1.0), ""), ("two", json!({"mood": "segfault"}), ""), ("four", calm(0.0), "")];
    suite.write(&method(""), &broken);
    let arguments =
        ["run", "suite.toml", "--baseline", "baseline", "--output", "broken", "--json", "--junit", "junit.xml"];
    let (out, _) = suite.ends(&arguments, 3);
    let expected = [("four", "new"), ("one", "regressed"), ("three", "missing"), ("two", "newly_failing")];
    assert_eq!(verdicts(&out), expected.map(|(name, verdict)| (name.to_owned(), verdict.to_owned())).into());
    let junit = fs::read_to_string(suite.path("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"4\"") && junit.contains("failures=\"2\"") && junit.contains("SIGSEGV"), "{junit}");
    let (_, _) = suite.ends(&["diff", "broken", "--baseline", "baseline", "--markdown", "diff.md"], 3);
    let markdown = fs::read_to_string(suite.path("diff.md")).unwrap();
    assert!(
        markdown.contains("the location of a changed from") && markdown.contains("| newly failing | two |"),
        "{markdown}"
    );

    // An engine that starts badly and is stopped early.
    suite.write(&method("init = 'zero'\niterations = 3"), &sound);
    let (out, _) = suite.ends(&["run", "suite.toml", "--baseline", "baseline", "--output", "setting", "--json"], 3);
    assert!(verdicts(&out).values().any(|verdict| verdict == "newly_flagged"), "{out}");
}

#[test]
fn nothing_steers_the_terminal() {
    let suite = Suite::new(&format!("seeds = 1\n{FAST}"), &[("calm", calm(0.0), "")]);
    let manifest = fs::read_to_string(suite.path("suite.toml")).unwrap();
    let steering = r"\u001b]0;title\u0007\u001b[2J";
    let entry = format!("[[posteriors]]\nname = \"{steering}\"\nprogram = 'faulty_model.so'\nexpect = 'flagged'\n");
    fs::write(suite.path("suite.toml"), manifest + &entry).unwrap();
    let (out, error) = suite.ends(&["run", "suite.toml"], 3);
    assert!(out.contains("]0;title\u{fffd}") && !(out + &error).contains(['\u{1b}', '\u{7}']));
    fs::write(suite.path("suite.toml"), format!("name = 'x'\n\"{steering}\" = 3\n")).unwrap();
    let (_, error) = suite.ends(&["run", "suite.toml"], 1);
    assert!(error.contains("]0;title") && !error.contains('\u{1b}'), "{error}");
}

#[test]
fn a_baseline_of_something_else_is_refused() {
    let suite = Suite::new(&format!("seeds = 2\n{FAST}"), &[("calm", calm(0.0), "")]);
    suite.ends(&["run", "suite.toml", "--output", "run"], 0);
    suite.ends(&["accept", "run", "--baseline", "baseline"], 0);
    let baseline = fs::read_to_string(suite.path("baseline")).unwrap();
    fs::write(suite.path("theirs"), baseline.replacen("faulty", "tempers", 1)).unwrap();
    fs::write(suite.path("other"), baseline.replace("\"calm\"", "\"wild\"")).unwrap();
    for (file, part) in
        [("theirs", "it is of the suite `tempers`"), ("other", "no posterior and configuration of the run")]
    {
        for arguments in [&["diff", "run"][..], &["run", "suite.toml", "--output", "new"], &["report", "run"]] {
            let (_, said) = suite.ends(&[arguments, &["--baseline", file]].concat(), 1);
            assert!(
                said.contains(&format!("{file} cannot be the baseline of this run")) && said.contains(part),
                "{said}"
            );
        }
    }
    assert!(!suite.path("new").exists());
}

#[test]
fn a_manifest_to_begin_with_is_valid_and_bad_ones_name_their_line() {
    let suite = Suite::new(&format!("seeds = 1\n{FAST}\nbatches = 3"), &[("calm", calm(0.0), "")]);
    let (_, said) = suite.ends(&["run", "suite.toml"], 1);
    assert!(said.contains("suite.toml, line 7: ") && said.contains("unknown field `batches`"), "{said}");
    suite.ends(&["init", "mine.toml"], 0);
    suite.ends(&["init", "mine.toml"], 1);
    // It is read to its end: only the shard is empty.
    let (out, _) = suite.ends(&["run", "mine.toml", "--shard", "1/100000"], 0);
    assert!(out.contains("0 jobs"), "{out}");
}

#[test]
fn a_program_that_does_not_compile_fails_its_own_jobs() {
    let suite = Suite::new(&format!("seeds = 2\n{FAST}"), &[("calm", calm(0.0), "")]);
    fs::write(suite.path("bad.stan"), "parameters {\n  real mu\n}\n").unwrap();
    let mut manifest = fs::read_to_string(suite.path("suite.toml")).unwrap();
    manifest += "[[posteriors]]\nname = 'bad'\nprogram = 'bad.stan'\n";
    fs::write(suite.path("suite.toml"), manifest).unwrap();
    let (_, said) = suite.ends(&["run", "suite.toml", "--compile-only"], 1);
    assert!(said.contains("bad: ") && said.contains("the programs of 1 posteriors do not compile"), "{said}");
    assert!(!suite.path("faulty.run.jsonl").exists());
    let (out, _) = suite.ends(&["run", "suite.toml"], 3);
    assert!(out.contains("bad with bam: 2 of 2 jobs do not meet the expectation"), "{out}");
    let records = suite.records("faulty.run.jsonl");
    let kinds: Vec<&Value> = records.iter().map(|it| &it["failure"]["kind"]).collect();
    assert_eq!(kinds, [&json!("compile"), &json!("compile"), &Value::Null, &Value::Null]);
    assert!(records[0]["failure"]["message"].as_str().unwrap().contains("line 3"), "{}", records[0]);
}

#[test]
fn a_crash_in_a_constructor_ends_with_a_message() {
    let suite = Suite::new(FAST, &[("malformed", json!({"mood": "malformed"}), "")]);
    let fit = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stanmatch"));
        command.args(["fit", "--model", "faulty_model.so", "--data", "malformed.json"]).args(options);
        command.current_dir(suite.folder.path()).output().unwrap()
    };
    let output = fit(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("error: Stan's code crashed (SIGSEGV)") && said.contains("faulty_model.so"), "{said}");
    let output = fit(&["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["status"]), (Some(1), &json!("failed")));
    assert!(document["messages"][0].as_str().unwrap().contains("SIGSEGV"), "{document}");
    let mut sample = Command::new(env!("CARGO_BIN_EXE_stanmatch"));
    sample.args(["sample", "--json", "--model", "faulty_model.so", "--data", "malformed.json"]);
    let output = sample.current_dir(suite.folder.path()).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["schema"], &document["status"]), (&json!("stanmatch.sample/1"), &json!("failed")));
}

#[test]
fn only_programs_without_instant_models_are_compiled() {
    let suite = Suite::new(FAST, &[]);
    fs::write(suite.path("real.stan"), "parameters { real x; } model { x ~ normal(0, 1); }").unwrap();
    let complex = "parameters { complex z; } model { get_real(z) ~ normal(0, 1); get_imag(z) ~ normal(0, 1); }";
    fs::write(suite.path("complex.stan"), complex).unwrap();
    let mut manifest = format!("name = 'faulty'\nexpect = 'any'\nseeds = 2\n{FAST}\n");
    for name in ["complex", "real"] {
        manifest += &format!("[[posteriors]]\nname = '{name}'\nprogram = '{name}.stan'\n");
    }
    fs::write(suite.path("suite.toml"), manifest).unwrap();
    let run = |file: &str, options: &[&str]| {
        let mut command = suite.command(&[&["run", "suite.toml", "--output", file], options].concat());
        let output = command.env("CXX", "no-such-compiler").env_remove("BRIDGESTAN").output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let records = suite.records(file);
        assert_eq!(records.len(), 4);
        assert!(records[2..].iter().all(|record| record["status"] == "ok"), "{records:?}");
        let [kind, message] = ["kind", "message"].map(|key| records[0]["failure"][key].as_str().unwrap().to_owned());
        assert_eq!(records[1]["failure"]["kind"], *kind);
        (kind, message)
    };
    let reason = "complex.stan has no instant model (unsupported sized type SComplex)";
    let (kind, message) = run("auto", &[]);
    assert!(message.contains(reason) && message.contains("no-such-compiler") && kind == "environment", "{message}");
    let (kind, message) = run("stanli", &["--toolchain", "stanli"]);
    assert!(message.contains(reason) && kind == "compile", "{message}");

    // What failed for want of a compiler is tried again, what else is done is not.
    fs::write(suite.path("compiler"), "#!/bin/sh\n[ \"$1\" = --version ]\n").unwrap();
    fs::set_permissions(suite.path("compiler"), fs::Permissions::from_mode(0o755)).unwrap();
    let resume = |file: &str| {
        let mut command = suite.command(&["run", "suite.toml", "--resume", "--output", file]);
        command.env("CXX", suite.path("compiler")).env_remove("BRIDGESTAN").output().unwrap();
        suite.lines(file)
    };
    assert_eq!((resume("auto"), resume("stanli")), (1 + 4 + 2, 1 + 4));
    let (said, _) = suite.ends(&["merge", "auto", "--output", "merged"], 0);
    assert!(!said.contains("are missing"), "{said}");
    let records = suite.records("merged");
    assert_eq!((records.len(), &records[0]["failure"]["kind"]), (4, &json!("compile")));
}

#[test]
fn a_run_is_continued_with_its_own_toolchain() {
    let suite = Suite::new(&format!("seeds = 1\n{FAST}"), &[("calm", calm(0.0), "")]);
    suite.ends(&["run", "suite.toml", "--output", "instant"], 0);
    let other = ["run", "suite.toml", "--toolchain", "httpstan", "--output"];
    let (_, said) = suite.ends(&[&other[..], &["instant", "--resume"]].concat(), 1);
    assert!(said.contains("instant was made with another toolchain, so it cannot be resumed"), "{said}");
    suite.ends(&[&other[..], &["compiled"]].concat(), 0);
    let (_, said) = suite.ends(&["merge", "instant", "compiled", "--output", "merged"], 1);
    assert!(said.contains("compiled was made with another toolchain, so it cannot be merged"), "{said}");
    // A file of a version that did not say what made its models.
    let text = fs::read_to_string(suite.path("instant")).unwrap();
    let mut header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(header["toolchain"]["instant"]["source"], "stanli");
    header.as_object_mut().unwrap().remove("toolchain");
    fs::write(suite.path("old"), text.replacen(text.lines().next().unwrap(), &header.to_string(), 1)).unwrap();
    suite.ends(&["merge", "old", "compiled", "--output", "merged"], 0);
}

#[test]
fn compiling_alone_fails_where_no_model_can_be_made() {
    let suite = Suite::new(&format!("seeds = 1\n{FAST}"), &[]);
    fs::write(suite.path("real.stan"), "parameters { real x; } model { x ~ normal(0, 1); }").unwrap();
    let posterior = "[[posteriors]]\nname = 'real'\nprogram = 'real.stan'\n";
    fs::write(suite.path("suite.toml"), format!("name = 'faulty'\nseeds = 1\n{FAST}\n{posterior}")).unwrap();
    for toolchain in ["auto", "stanli", "httpstan"] {
        let mut command = suite.command(&["run", "suite.toml", "--compile-only", "--toolchain", toolchain]);
        let output = command.env("STANMATCH_CACHE", suite.path("empty")).env_remove("BRIDGESTAN").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("real: no ") && said.contains("is installed"), "{said}");
    }
}

#[test]
fn the_embedded_suite_has_not_regressed() {
    let folder = tempfile::tempdir().unwrap();
    let [run, junit] = ["run.jsonl", "junit.xml"].map(|name| folder.path().join(name));
    let output = Command::new(env!("CARGO_BIN_EXE_stanmatch"))
        .args(["suite", "run", "suites/embedded.toml", "--baseline", "suites/embedded.baseline.jsonl"])
        .args([Path::new("--output"), &run, Path::new("--junit"), &junit])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("POSTERIORDB")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let junit = fs::read_to_string(junit).unwrap();
    assert!(junit.contains("failures=\"0\"") && junit.contains("eight_schools"), "{junit}");
}

#[test]
fn pages_show_the_cells_the_runs_and_the_fits() {
    let head = format!("description = 'what the faulty are there for'\nseeds = 2\n{FAST}");
    let suite = Suite::new(&head, &[("calm", calm(0.0), ""), ("crash", json!({"mood": "abort"}), "")]);
    let mut manifest = fs::read_to_string(suite.path("suite.toml")).unwrap();
    manifest += "[[posteriors]]\nname = '../<b>&'\nprogram = 'faulty_model.so'\ndata = 'calm.json'\n";
    fs::write(suite.path("suite.toml"), manifest).unwrap();
    suite.ends(&["run", "suite.toml", "--output", "first"], 3);
    suite.ends(&["run", "suite.toml", "--output", "second", "--save-fits", "fits"], 3);
    suite.ends(&["report", "first", "second", "--fits", "fits", "--output", "pages"], 0);
    let page = fs::read_to_string(suite.path("pages/index.html")).unwrap();
    assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("<p class=\"quiet\">what the faulty are there for</p>"), "{page}");
    assert!(page.contains("SIGABRT") && page.matches("<tr><th scope=\"row\">20").count() == 2, "{page}");
    let links: Vec<&str> =
        page.split("href=\"fits&#x2f;").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links, ["~2E~2E~2F~3Cb~3E~26.bam.html", "calm.bam.html"]);
    let mut pages: Vec<String> = fs::read_dir(suite.path("pages/fits"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(pages, ["calm.bam.html", "~2E~2E~2F~3Cb~3E~26.bam.html"]);

    // The fit of a job that has since failed, and a folder that is damaged.
    let fits = |name: &str| suite.path("fits").join(name);
    fs::create_dir_all(fits("crash.bam")).unwrap();
    for file in fs::read_dir(fits("calm.bam")).unwrap().flatten() {
        fs::copy(file.path(), fits("crash.bam").join(file.file_name())).unwrap();
    }
    fs::write(fits("~2E~2E~2F~3Cb~3E~26.bam").join("fit.json"), "{").unwrap();
    let (_, said) = suite.ends(&["report", "second", "--fits", "fits", "--output", "fewer"], 0);
    assert!(
        said.contains("crash.bam is left out: it belongs to another run") && said.contains("26.bam is left out"),
        "{said}"
    );
    assert_eq!(fs::read_dir(suite.path("fewer/fits")).unwrap().count(), 1);
}
