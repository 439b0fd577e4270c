//! What programs read: every command, in its good and in its failing states, in both formats, against the schemas of `cli/schemas`.
//! The validator is not ours.

use serde_json::{Value, json};
use sigtool_tests::certificates::Authority;
use sigtool_tests::registry::Registry;
use sigtool_tests::{Sandbox, foreign, keys};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// What is run, each in a sandbox of its own.
const AREAS: [fn(&mut Checked<'_>); 9] = [
    files,
    files_that_are_not_signed,
    inspected_files,
    ledgers,
    images,
    made_keys,
    configurations,
    backends,
    commands,
];

#[test]
fn what_every_command_writes_is_what_its_schema_says() {
    let schemas = Schemas::read();
    let check = |area: fn(&mut Checked<'_>)| {
        let mut checked = Checked {
            schemas: &schemas,
            seen: BTreeSet::new(),
        };
        area(&mut checked);
        checked.seen
    };
    let seen: BTreeSet<String> = std::thread::scope(|scope| {
        let areas = AREAS.map(|area| scope.spawn(move || check(area)));
        areas.into_iter().flat_map(|a| a.join().unwrap()).collect()
    });
    let names: BTreeSet<String> = schemas.indexes.keys().cloned().collect();
    assert_eq!(seen, names, "no command was run for a schema");
}

#[test]
fn a_field_that_no_schema_names_and_a_null_are_found() {
    let schemas = Schemas::read();
    let failed = |error: Value| json!({ "status": "failed", "error": error });
    let error = json!({ "kind": "input", "message": "no" });
    assert_eq!(schemas.check("error", &failed(error.clone())), Ok(()));
    for (field, value) in [
        ("more", json!(1)),
        ("file", Value::Null),
        ("kind", json!("?")),
    ] {
        let mut wrong = error.clone();
        wrong[field] = value;
        schemas.check("error", &failed(wrong)).unwrap_err();
    }
}

#[test]
fn a_path_that_is_not_unicode_spoils_no_json() {
    let sandbox = sandbox();
    let output = sandbox
        .sigtool()
        .args(["key", "export-public", "a.pub", "--format=json", "--output"])
        .arg(OsStr::from_bytes(b"\xff.pub"))
        .output()
        .unwrap();
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["files"], json!([r"\xFF.pub"]));
}

#[test]
fn a_command_line_that_is_wrong_is_told_to_programs_too() {
    let sandbox = sandbox();
    let output = sandbox
        .sigtool()
        .args(["sign", "--outptu", "x", "--format=json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = json!({ "kind": "input", "message": "unexpected argument '--outptu' found" });
    assert_eq!(row["status"], "failed");
    assert_eq!(row["error"]["kind"], error["kind"]);
    assert_eq!(row["error"]["message"], error["message"]);
}

/// A sandbox with keys, a profile that signs with `a` and trusts it, and a file.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sandbox
}

/// Signing and verifying.
fn files(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(0, "sign", "sign app.txt");
    run(0, "sign", "sign --signature-format=both app.txt");
    run(0, "verify", "verify app.txt");
    sandbox.write("other.txt", "signed, and then changed\n");
    run(0, "sign", "sign other.txt");
    sandbox.write("other.txt", "changed\n");
    run(1, "verify", "verify app.txt other.txt");
    run(1, "verify", "verify --key=b.pub app.txt");
    run(
        1,
        "verify",
        "verify --key=a.pub --key=b.pub --require=all app.txt",
    );
    run(1, "verify", "verify a.pub");
    let name = "app.txt.01234567.sigstore.json";
    sandbox.write(name, "{}");
    run(1, "verify", "verify --key=b.pub app.txt");
    fs::remove_file(sandbox.work().join(name)).unwrap();
    // Nobody can read a link to itself.
    std::os::unix::fs::symlink(name, sandbox.work().join(name)).unwrap();
    run(3, "verify", "verify --key=b.pub app.txt");
    run(0, "overview", "overview");
    run(0, "overview", "overview other.txt");
    run(0, "history", "history");
    run(0, "history", "history --limit=1 app.txt");
    run(0, "history-verify", "history --verify");
}

fn files_that_are_not_signed(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(2, "sign", "sign app.txt missing.txt");
    run(2, "verify", "verify missing.txt absent.txt");
    run(2, "error", "sign");
    run(2, "error", "sign --attach app.txt");
    run(2, "error", "sign --key=missing.key app.txt");
    run(2, "error", "sign --profile=missing app.txt");
    run(2, "error", "verify --key=missing.pub app.txt");
    fs::remove_file(sandbox.config()).unwrap();
    run(2, "error", "verify app.txt");
}

fn inspected_files(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    let certificate = fs::read(Authority::new().ca_file()).unwrap();
    sandbox.write("ca.pem", certificate);
    let data = sigtool_tests::tests_folder().join("cli/data");
    let locked = data.join("test-key-p256-n32768-password-hello.key");
    sandbox.write("locked.key", fs::read(locked).unwrap());
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(0, "sign", "sign --signature-format=both app.txt");
    for name in [
        "app.txt.sigstore.json",
        "app.txt.sig",
        "a.key",
        "a.pub",
        "ca.pem",
        "locked.key",
    ] {
        run(0, "inspect", &format!("inspect {name}"));
    }
    run(2, "error", "inspect app.txt");
    run(2, "error", "inspect missing.json");
    run(2, "error", "inspect");
    // A certificate in a bundle, and one that cannot be read.
    let path = sandbox.work().join("app.txt.sigstore.json");
    let mut bundle: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    bundle["verificationMaterial"] = json!({ "certificate": { "rawBytes": "AAAA" } });
    sandbox.write("certified.json", bundle.to_string());
    run(0, "inspect", "inspect certified.json");
}

fn ledgers(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(0, "", "history");
    run(0, "", "overview");
    run(0, "history-verify", "history --verify");
    let head = format!("9:sha256:{}", "0".repeat(64));
    run(
        1,
        "history-verify",
        &format!("history --verify --head {head}"),
    );
    run(2, "error", "history --since=yesterday");
    run(0, "sign", "sign app.txt");
    run(
        1,
        "history-verify",
        &format!("history --verify --head {head}"),
    );
    // A signature that the ledger does not know, and one that is gone.
    run(0, "sign", "sign --no-history --key=b.key app.txt");
    fs::remove_file(sandbox.work().join("app.txt.sigstore.json")).unwrap();
    run(0, "overview", "overview app.txt");
    let ledger = sandbox.home().join(".local/state/sigtool/ledger.db");
    fs::write(&ledger, "no database").unwrap();
    for words in ["history", "history --verify", "overview"] {
        run(3, "error", words);
    }
    run(3, "error", "sign app.txt");
    for format in ["json", "jsonl"] {
        fs::write(&ledger, "no database").unwrap();
        checked.run_in(format, &sandbox, 0, "history-restart", "history restart");
    }
    checked.run(&sandbox, 0, "history", "history");
    checked.run(&sandbox, 2, "error", "history restart");
}

fn images(checked: &mut Checked<'_>) {
    let Some(registry) = Registry::olareg(&[]) else {
        checked.seen.insert("inspect-image".to_owned());
        return;
    };
    let sandbox = sandbox();
    registry.push_image("team/app", "v1", 1);
    let image = format!("{}/team/app:v1", registry.host());
    let missing = format!("{}/team/app:v2", registry.host());
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(1, "verify", &format!("verify {image}"));
    run(0, "inspect-image", &format!("inspect {image}"));
    run(0, "sign", &format!("sign {image}"));
    run(
        0,
        "sign",
        &format!("sign --attach --signature-format=both -a build=7 {image}"),
    );
    run(0, "verify", &format!("verify -a build=7 {image}"));
    run(1, "verify", &format!("verify -a build=8 {image}"));
    run(2, "sign", &format!("sign --attach {image} {missing}"));
    run(2, "verify", &format!("verify {missing}"));
    run(0, "inspect-image", &format!("inspect {image}"));
    let to = "--bundle=FORMAT.sigstore.json --signature=FORMAT.sig";
    run(0, "inspect-image", &format!("inspect {image} {to}"));
    run(0, "inspect", "inspect FORMAT.sigstore.json");
    run(0, "inspect", "inspect FORMAT.sig");
    run(2, "error", &format!("inspect {missing}"));
    run(0, "overview", &format!("overview {image}"));
    run(0, "history", "history");
    // One place has no signature, and the other does not tell.
    registry.push_image("team/other", "v1", 2);
    let store = sandbox.home().join(".local/state/sigtool/signatures.db");
    fs::write(store, "no database").unwrap();
    let other = format!("{}/team/other:v1", registry.host());
    run(3, "inspect-image", &format!("inspect {other}"));
    drop(registry);
    run(3, "verify", &format!("verify {image}"));
    run(3, "error", &format!("inspect {image}"));
}

fn made_keys(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    let generate = "key generate --output-key-prefix=FORMAT";
    run(0, "key-generate", generate);
    run(2, "error", generate);
    run(2, "error", "key generate --algorithm=dsa");
    let import = "key import --output-key-prefix=imported-FORMAT --key";
    run(0, "key-import", &format!("{import} a.key"));
    run(2, "error", &format!("{import} missing.key"));
    run(2, "error", "key import");
    for key in ["FORMAT.key", "a.key", "a.pub"] {
        run(0, "key-show", &format!("key show {key}"));
        run(0, "key-export-public", &format!("key export-public {key}"));
    }
    run(
        0,
        "key-export-public",
        "key export-public a.key --output=FORMAT-a.pub",
    );
    run(0, "key-change-password", "key change-password FORMAT.key");
    run(0, "key-list", "key list");
    for verb in ["show", "export-public", "change-password"] {
        run(2, "error", &format!("key {verb} missing.key"));
    }
    fs::remove_file(sandbox.config()).unwrap();
    run(0, "", "key list");
    run(2, "error", "key show");
    run(2, "error", "key");
    run(0, "init", "init --yes");
    run(0, "init", "init --yes");
    run(0, "key-list", "key list");
}

fn configurations(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    sandbox.append_config(
        r#"
[profile.prod]
inherits = "default"
signature_format = "both"
"#,
    );
    sandbox.write(".sigtool.toml", "default_profile = \"default\"\nkeys = 1\n");
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(3, "config-check", "config check");
    run(0, "config-path", "config path");
    fs::remove_file(sandbox.work().join(".sigtool.toml")).unwrap();
    run(0, "", "config check");
    run(0, "profile-list", "profile list");
    run(0, "profile-show", "profile show prod");
    run(2, "error", "profile show missing");
    run(0, "profile-use", "profile use prod");
    run(2, "error", "profile use missing");
    run(0, "profile-show", "profile show");
    run(0, "config-explain", "config explain");
    run(2, "error", "config explain nothing.like.this");
    run(
        0,
        "config-explain",
        "config explain --config default_profile=default",
    );
    run(0, "config-path", "config path");
    run(0, "config-set", "config set commands.external true");
    run(2, "error", "config set commands.external perhaps");
    sandbox.append_config(
        "[profile.odd.signer]\nwhen = 1979-05-27\nshare = [0.5, 7]\nmore = { deep = true }\n",
    );
    run(3, "config-check", "config check");
    run(0, "config-explain", "config explain profile.odd");
    sandbox.write_config("no TOML");
    run(3, "config-check", "config check");
    run(3, "error", "sign app.txt");
    run(3, "error", "profile use prod");
}

fn backends(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    let placed = sandbox.place(&foreign::c_signer());
    let path = placed.to_str().unwrap();
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(0, "backend-path", "backend path");
    run(0, "backend-pin", &format!("backend pin --yes {path}"));
    run(3, "error", "backend pin --yes missing.so");
    run(0, "backend-list", "backend list");
    for id in ["oci", "cosign-key", "dev.example.c-signer"] {
        run(0, "backend-show", &format!("backend show {id}"));
    }
    run(0, "backend-check", "backend check local-stage");
    run(3, "error", "backend check missing");
    run(3, "error", "backend show missing");
    fs::remove_file(&placed).unwrap();
    run(3, "backend-list error", "backend list");
    run(3, "error", "backend show dev.example.c-signer");
}

/// `--list`, aliases, and what is not a command.
fn commands(checked: &mut Checked<'_>) {
    let sandbox = sandbox();
    let program = sandbox.write("bin/sigtool-hello", "#!/bin/sh\n");
    set_mode(&program, 0o755);
    sandbox.append_config("[alias]\nship = [\"sign\", \"--attach\"]\nloop = [\"loop\"]\n");
    let mut run = |code, schemas: &str, words: &str| checked.run(&sandbox, code, schemas, words);
    run(0, "list", "--list");
    run(0, "completions", "completions bash");
    run(0, "help", "help ship");
    run(2, "error", "help ship app.txt");
    run(2, "error", "sgin app.txt");
    run(2, "error", "ship app.txt");
    run(2, "error", "sign --no-such-flag");
    run(2, "error", "sign --tlog-upload=false app.txt");
    run(2, "error", "");
    sandbox.write_config("no TOML");
    run(3, "error", "--list");
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The schemas by their names.
struct Schemas {
    compiled: boon::Schemas,
    indexes: BTreeMap<String, boon::SchemaIndex>,
}

impl Schemas {
    fn read() -> Self {
        let mut compiler = boon::Compiler::new();
        compiler.enable_content_assertions();
        let mut compiled = boon::Schemas::new();
        let mut indexes = BTreeMap::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let mut schema = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            close(&mut schema, true);
            compiler.add_resource(name, schema).unwrap();
            let index = compiler.compile(name, &mut compiled).unwrap();
            indexes.insert(name.to_owned(), index);
        }
        Self { compiled, indexes }
    }

    fn check(&self, name: &str, object: &Value) -> Result<(), String> {
        let index = self.indexes.get(name);
        let index = index.unwrap_or_else(|| panic!("no schema `{name}`"));
        let checked = self.compiled.validate(object, *index);
        checked.map_err(|error| format!("{error:#}\n"))
    }
}

/// The schemas, and the names of those that an object was of.
struct Checked<'a> {
    schemas: &'a Schemas,
    seen: BTreeSet<String>,
}

impl Checked<'_> {
    /// Runs a command in both formats. Each object must be what one of these schemas says, and each schema must be met by one.
    /// `FORMAT` in the words stands for the format.
    fn run(&mut self, sandbox: &Sandbox, code: i32, schemas: &str, words: &str) {
        for format in ["json", "jsonl"] {
            self.run_in(format, sandbox, code, schemas, words);
        }
    }

    fn run_in(&mut self, format: &str, sandbox: &Sandbox, code: i32, schemas: &str, words: &str) {
        let schemas: Vec<&str> = schemas.split_whitespace().collect();
        let words = words.replace("FORMAT", format);
        let output = sandbox
            .sigtool()
            .env("SIGTOOL_PASSWORD", "sesame")
            .env("SIGTOOL_NEW_PASSWORD", "sesame")
            .args(words.split_whitespace())
            .args(["--format", format])
            .output()
            .unwrap();
        let what = format!(
            "`{words}` in {format}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "{what}");
        let met: BTreeSet<&str> = objects(format, &output.stdout, &what)
            .iter()
            .map(|object| self.which(object, &schemas, &what))
            .collect();
        assert_eq!(met, schemas.iter().copied().collect(), "{what}");
        self.seen.extend(met.into_iter().map(str::to_owned));
    }

    /// The schema that an object meets.
    fn which<'a>(&self, object: &Value, schemas: &[&'a str], what: &str) -> &'a str {
        let mut said = String::new();
        for name in schemas {
            match self.schemas.check(name, object) {
                Ok(()) => return name,
                Err(error) => said += &error,
            }
        }
        panic!("{what}\n{said}");
    }
}

fn objects(format: &str, stdout: &[u8], what: &str) -> Vec<Value> {
    let parse = |text: &[u8]| -> Value {
        serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {what}"))
    };
    if format == "json" {
        match parse(stdout) {
            Value::Array(objects) => objects,
            object => vec![object],
        }
    } else {
        let lines = stdout.split_inclusive(|byte| *byte == b'\n');
        lines.map(parse).collect()
    }
}

/// Allows no field that the schema does not name. What is checked in allows them, since later versions add some.
fn close(schema: &mut Value, is_whole: bool) {
    let Value::Object(fields) = schema else {
        return;
    };
    for (key, part) in fields.iter_mut() {
        match (key.as_str(), part) {
            ("properties", Value::Object(parts)) => {
                parts.values_mut().for_each(|part| close(part, true));
            }
            ("$defs", Value::Object(parts)) => {
                parts.values_mut().for_each(|part| close(part, false));
            }
            ("items" | "additionalProperties", part) => close(part, true),
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                parts.iter_mut().for_each(|part| close(part, false));
            }
            _ => {}
        }
    }
    if is_whole {
        fields.insert("unevaluatedProperties".to_owned(), json!(false));
    }
}
