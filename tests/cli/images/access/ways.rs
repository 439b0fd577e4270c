//! Which way a registry is reached: TLS, its authorities, and proxies.

use super::*;

/// A registry with TLS, and the image `app:v1` in it.
fn with_tls(clients: Clients) -> Option<(Registry, String)> {
    let registry = Registry::docker_with_tls(clients)?;
    registry.push_image("app", "v1", "app");
    let image = format!("{}/app:v1", registry.host());
    Some((registry, image))
}

fn network(setting: &str, value: &Path) -> String {
    format!("[network]\n{setting} = \"{}\"\n", value.display())
}

fn oci(settings: &[(&str, &Path)]) -> String {
    let settings: String = settings
        .iter()
        .map(|(name, path)| format!(", {name} = \"{}\"", path.display()))
        .collect();
    format!("[profile.default]\nsource = {{ backend = \"oci\"{settings} }}\n")
}

#[test]
fn a_registry_of_an_unknown_authority_is_not_talked_to() {
    let Some((_registry, image)) = with_tls(Clients::Any) else {
        return;
    };
    snapbox::assert_data_eq!(
        Person::new().told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: the certificate of `[HOST]` is signed by a certificate authority that is not trusted here
  caused by: UnknownIssuer
  hint: name the PEM file of that certificate authority with `ca_file`

"#]]
    );
    let said = Person::new().sign(&image);
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.text.contains("ca_file"), "{said}");
    let stranger = Authority::new();
    let person = Person::new().with_config(&network("ca_file", stranger.ca_file()));
    let said = person.verify(&image);
    assert_eq!(said.code, Some(3), "{said}");
}

#[test]
fn the_authority_of_a_registry_is_named_for_all_or_for_images() {
    let Some((registry, image)) = with_tls(Clients::Any) else {
        return;
    };
    let ca_file = registry.ca_file().unwrap();
    let by_name = image.replace("127.0.0.1", "localhost");
    for config in [network("ca_file", ca_file), oci(&[("ca_file", ca_file)])] {
        let person = Person::new().with_config(&config);
        for image in [&image, &by_name] {
            person.sign(image).expect_success(&config);
            person.verify(image).expect_success(&config);
        }
    }
    let missing = Path::new("/nowhere/ca.pem");
    for config in [network("ca_file", missing), oci(&[("ca_file", missing)])] {
        let said = Person::new().with_config(&config).verify(&image);
        assert_eq!(said.code, Some(3), "{said}");
        assert!(said.text.contains("/nowhere/ca.pem"), "{said}");
    }
}

#[test]
fn a_password_goes_by_tls_where_there_is_tls() {
    let registry = Registry::docker_with(Docker {
        password: Some((USER, PASSWORD)),
        tls: Some(Clients::Any),
        tokens: false,
    });
    let Some(registry) = registry else { return };
    registry.push_image("app", "v1", "app");
    let host = &registry.host();
    let image = format!("{host}/app:v1");
    let person = Person::new()
        .with_config(&network("ca_file", registry.ca_file().unwrap()))
        .with("DOCKER_AUTH_CONFIG", logins(&[(host, right())]));
    let said = person.sign(&image);
    said.expect_success("TLS and a password");
    assert!(!said.text.contains("http://"), "{said}");
    person.verify(&image).expect_success("TLS and a password");
}

/// docker-registry names a token server without TLS, which then must not get the password.
#[test]
fn a_password_goes_to_no_token_server_without_tls_from_a_registry_with_it() {
    let registry = Registry::docker_with(Docker {
        password: None,
        tls: Some(Clients::Any),
        tokens: true,
    });
    let Some(registry) = registry else { return };
    let host = &registry.host();
    let person = Person::new()
        .with_config(&network("ca_file", registry.ca_file().unwrap()))
        .with("DOCKER_AUTH_CONFIG", logins(&[(host, robot())]));
    let before = registry.tokens().unwrap().requests().len();
    let said = person.verify(&format!("{host}/app:v1"));
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.text.contains("without TLS"), "{said}");
    assert_eq!(registry.tokens().unwrap().requests().len(), before);
}

#[test]
fn a_registry_may_want_to_see_a_certificate() {
    let Some((registry, image)) = with_tls(Clients::Certified) else {
        return;
    };
    let (ca_file, client) = (registry.ca_file().unwrap(), registry.client().unwrap());
    let with = |more: &[(&str, &Path)]| {
        let settings = [&[("ca_file", ca_file)], more].concat();
        Person::new().with_config(&oci(&settings))
    };
    let certified = with(&[
        ("client_certificate", &client.certificate),
        ("client_key", &client.key),
    ]);
    certified.sign(&image).expect_success("a certificate");
    certified.verify(&image).expect_success("a certificate");

    let stranger = Authority::new();
    let other = stranger.client();
    let mut wrong = Vec::new();
    for settings in [
        &[
            ("client_certificate", &*other.certificate),
            ("client_key", &*other.key),
        ][..],
        &[("client_certificate", &*client.certificate)],
        &[("client_key", &*client.key)],
        &[
            ("client_certificate", &*client.certificate),
            ("client_key", &*other.key),
        ],
        &[
            ("client_certificate", &*client.key),
            ("client_key", &*client.key),
        ],
    ] {
        let said = with(settings).verify(&image);
        let names: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
        let is_told = said.text.contains("certificate") || said.text.contains("client_key");
        if said.code != Some(3) || !is_told {
            wrong.push(format!("{names:?}: {said}"));
        }
    }
    // Without a certificate, one is told that it is wanted.
    let said = with(&[]).verify(&image);
    if said.code != Some(3) || !said.text.contains("client_certificate") {
        wrong.push(format!("none: {said}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// This machine's name, if it leads to where the tests' registries listen.
fn own_name() -> Option<String> {
    let name = std::fs::read_to_string("/etc/hostname").ok()?;
    let name = name.trim();
    let mut addresses = (name, 0).to_socket_addrs().ok()?;
    let leads_here = addresses.any(|address| address.ip().to_string() == "127.0.0.1");
    (leads_here && name != "localhost").then(|| name.to_owned())
}

#[test]
fn only_this_machine_is_talked_to_without_tls_unless_it_is_allowed() {
    let Some(registry) = Registry::docker() else {
        return;
    };
    registry.push_image("app", "v1", "app");
    let image = format!("{}/app:v1", registry.host());
    let person = Person::new();
    person.sign(&image).expect_success("loopback");
    let by_name = image.replace("127.0.0.1", "localhost");
    person.verify(&by_name).expect_success("loopback");

    // Elsewhere the machine's name leads to an address that no registry of the tests listens at.
    let Some(name) = own_name() else { return };
    let host = registry.host().replace("127.0.0.1", &name);
    let image = format!("{host}/app:v1");
    let proxy = FaultProxy::before(&registry);
    let through = proxy.host().replace("127.0.0.1", &name);
    snapbox::assert_data_eq!(
        Person::new().told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: what `[HOST]` answered is not TLS
  caused by: received corrupt message of type InvalidContentType
  hint: if it is meant to be reached without TLS, say so in the profile's `source`: plain_http = ["[HOST]"]

"#]]
    );
    let said = Person::new().verify(&format!("{through}/app:v1"));
    assert_eq!(said.code, Some(3), "{said}");
    assert!(
        proxy.requests().is_empty(),
        "something was sent without TLS"
    );
    for allowed in [&host, &name] {
        let config = format!(
            "[profile.default]\nsource = {{ backend = \"oci\", plain_http = [\"{allowed}\"] }}\n"
        );
        let person = Person::new().with_config(&config);
        person.sign(&image).expect_success(allowed);
        person.verify(&image).expect_success(allowed);
    }
    let config =
        "[profile.default]\nsource = { backend = \"oci\", plain_http = [\"other.local:5000\"] }\n";
    let said = Person::new().with_config(config).verify(&image);
    assert_eq!(said.code, Some(3), "{said}");
}

/// What a registry with TLS is called where only a proxy knows the way to it: its certificate has these.
const REGISTRY_NAMES: [&str; 2] = ["registry.test", "[2001:db8::5]"];

/// A forward proxy: it takes requests for whole addresses, and tunnels. Each connection serves one.
struct ForwardProxy {
    host: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        // It ends with the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || stream.and_then(|stream| serve(stream, &kept)));
            }
        });
        Self { host, heads }
    }

    /// The head of each request so far.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    heads.lock().unwrap().push(head.clone());
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let mut server;
    if method == "CONNECT" {
        let here = REGISTRY_NAMES
            .iter()
            .find_map(|name| target.strip_prefix(name));
        server = match here {
            Some(port) => TcpStream::connect(format!("127.0.0.1{port}"))?,
            None => TcpStream::connect(target)?,
        };
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let rest = target.strip_prefix("http://").unwrap_or(target);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        server = TcpStream::connect(host)?;
        let fields = head.split_once("\r\n").map_or("", |(_, fields)| fields);
        write!(
            server,
            "{method} /{path} HTTP/1.1\r\nConnection: close\r\n{fields}"
        )?;
    }
    let mut to_server = server.try_clone()?;
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    let mut answer = Vec::new();
    if method == "CONNECT" {
        io::copy(&mut server, &mut client)?;
    } else {
        server.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        // The client is not to send a second request on this connection.
        let answer = match text.contains("Connection: close") {
            true => answer,
            false => text
                .replacen("\r\n", "\r\nConnection: close\r\n", 1)
                .into_bytes(),
        };
        client.write_all(&answer)?;
    }
    client.shutdown(std::net::Shutdown::Both)
}

/// An address of a registry on this machine that does not say so: the system leads it there, and proxies are asked for it.
fn elsewhere(host: &str) -> String {
    host.replace("127.0.0.1", "0.0.0.0")
}

/// The setting that lets it be reached without TLS.
fn plain(host: &str) -> String {
    format!("[profile.default]\nsource = {{ backend = \"oci\", plain_http = [\"{host}\"] }}\n")
}

/// SECURITY.md: what is said to a registry on this machine never reaches a proxy.
#[test]
fn a_registry_on_this_machine_is_reached_without_a_proxy() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let proxy = ForwardProxy::start();
    let host = registry.host();
    for name in ["localhost", "LOCALHOST", "127.0.0.1"] {
        let image = image.replace("127.0.0.1", name);
        let host = host.replace("127.0.0.1", &name.to_lowercase());
        let person = Person::new()
            .with("http_proxy", format!("http://{}", proxy.host))
            .with("https_proxy", format!("http://{}", proxy.host))
            .with("no_proxy", "example.com")
            .with("DOCKER_AUTH_CONFIG", logins(&[(&host, right())]));
        person.sign(&image).expect_success(name);
        person.verify(&image).expect_success(name);
    }
    assert_eq!(proxy.heads(), [""; 0]);
}

#[test]
fn a_proxy_is_used_unless_the_registry_is_excepted() {
    let Some(registry) = Registry::docker_with_auth(USER, PASSWORD) else {
        return;
    };
    registry.push_image("app", "v1", "app");
    let host = &elsewhere(&registry.host());
    let port = host.split_once(':').unwrap().1;
    let image = format!("{host}/app:v1");
    let config = |setting: &str| format!("{}[network]\n{setting}\n", plain(host));
    let someone = || {
        let person = Person::new().with("DOCKER_AUTH_CONFIG", logins(&[(host, right())]));
        person.with_config(&config(""))
    };
    let proxy = ForwardProxy::start();
    let url = format!("http://{}", proxy.host);
    let nowhere = "http://127.0.0.1:1";
    let in_file = format!("http_proxy = \"{url}\"");
    let mut wrong = Vec::new();
    for (what, person, is_used) in [
        ("http_proxy", someone().with("http_proxy", &url), true),
        ("HTTP_PROXY", someone().with("HTTP_PROXY", &url), true),
        (
            "without a scheme",
            someone().with("http_proxy", &proxy.host),
            true,
        ),
        ("configured", someone().with_config(&config(&in_file)), true),
        (
            "the configuration before the environment",
            someone()
                .with("http_proxy", nowhere)
                .with_config(&config(&in_file)),
            true,
        ),
        (
            "no_proxy",
            someone()
                .with("http_proxy", &url)
                .with("no_proxy", "example.com,0.0.0.0"),
            false,
        ),
        (
            "NO_PROXY",
            someone()
                .with("http_proxy", &url)
                .with("NO_PROXY", format!("0.0.0.0:{port}")),
            false,
        ),
        (
            "NO_PROXY for another port",
            someone()
                .with("http_proxy", &url)
                .with("NO_PROXY", "0.0.0.0:1"),
            true,
        ),
        (
            "NO_PROXY for all",
            someone().with("http_proxy", &url).with("NO_PROXY", "*"),
            false,
        ),
        (
            "no_proxy, configured",
            someone().with_config(&config(&format!("{in_file}\nno_proxy = [\"0.0.0.0/8\"]"))),
            false,
        ),
    ] {
        let before = proxy.heads().len();
        for said in [person.sign(&image), person.verify(&image)] {
            if !said.is_success() {
                wrong.push(format!("{what}: {said}"));
            }
        }
        if is_used != (proxy.heads().len() > before) {
            wrong.push(format!("{what}: the proxy is used: {}", !is_used));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_proxy_that_is_not_there_is_told_of_without_its_password() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let image = elsewhere(&image);
    let secret = format!("http://{USER}:{PASSWORD}@127.0.0.1:1");
    let person = Person::new()
        .with("http_proxy", &secret)
        .with_config(&plain(&elsewhere(&registry.host())));
    snapbox::assert_data_eq!(
        person.told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: the proxy `127.0.0.1:1` refuses connections
  caused by: nothing listens at that port, or a firewall is in the way
  hint: check the address and its port

"#]]
    );
    let malformed = Person::new().with("http_proxy", format!("ftp://{USER}:{PASSWORD}@proxy"));
    snapbox::assert_data_eq!(
        malformed.told(&image),
        str![[r#"
exit code 3
error: `http_proxy` is not the address of a proxy
  caused by: it starts with neither `http://` nor `https://`
  hint: set `http_proxy` to an address like `http://proxy.example.com:3128`

"#]]
    );
    let config = format!("[network]\nhttp_proxy = \"{secret}\"\n");
    let in_file = Person::new().with_config(&config);
    let said = in_file.run(&["verify", "--key=a.pub", &image]);
    assert_eq!(said.code, Some(3), "{said}");
}

#[test]
fn a_proxy_tunnels_tls_and_sees_no_password_of_the_registry() {
    let registry = Registry::docker_with(Docker {
        password: Some((USER, PASSWORD)),
        tls: Some(Clients::Any),
        tokens: false,
    });
    let Some(registry) = registry else { return };
    registry.push_image("app", "v1", "app");
    for name in REGISTRY_NAMES {
        let host = &registry.host().replace("127.0.0.1", name);
        let proxy = ForwardProxy::start();
        let person = Person::new()
            .with_config(&network("ca_file", registry.ca_file().unwrap()))
            .with(
                "https_proxy",
                format!("http://proxy-user:{WRONG}@{}", proxy.host),
            )
            .with("DOCKER_AUTH_CONFIG", logins(&[(host, right())]));
        let image = format!("{host}/app:v1");
        person.sign(&image).expect_success("a tunnel");
        person.verify(&image).expect_success("a tunnel");
        let heads = proxy.heads();
        assert!(!heads.is_empty());
        let login = format!("basic {}", basic("proxy-user", WRONG)).to_lowercase();
        for head in heads {
            assert!(head.starts_with(&format!("CONNECT {host} ")), "{head}");
            assert!(head.to_lowercase().contains(&login), "{head}");
            assert!(
                !contains_secret(head.as_bytes(), PASSWORD.as_bytes()),
                "{head}"
            );
        }
    }
}
