//! Servers with TLS.

use crate::{
    program::{CLOSE, Program, TIMEOUT, activated_example, free_addr, run_program},
    router,
};
use highwater_server::{Cluster, Server, Tls};
use nix::sys::signal::Signal;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::{
    env, fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tempfile::TempDir;
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The folder of the certificate of a program of this file.
const FOLDER_VARIABLE: &str = "HIGHWATER_TEST_CERTIFICATE";

/// A folder with `cert.pem` and `key.pem`.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Files(tempfile::tempdir().unwrap());
        files.renew(|_| {});
        files
    }

    /// Replaces the certificate and the key.
    fn renew(&self, configure: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        configure(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(self.certificate(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.0.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    /// Starts a program of this file with these files.
    fn start(&self, name: &str) -> Program {
        let name = format!("tls::{name}");
        Program::with_variables(&name, free_addr(), &[(FOLDER_VARIABLE, self.0.path())])
    }
}

fn tls() -> Tls {
    let folder = PathBuf::from(env::var_os(FOLDER_VARIABLE).unwrap());
    Tls::pem_files(folder.join("cert.pem"), folder.join("key.pem"))
}

/// Sends a request with TLS. Returns the response and the protocol of the application, if
/// the server's certificate is this one.
fn get(addr: SocketAddr, certificate: &Path) -> io::Result<(String, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".into()];
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(addr)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut stream = StreamOwned::new(connection, socket);
    write!(stream, "GET / HTTP/1.1\r\nhost: localhost\r\n{CLOSE}\r\n")?;
    let mut response = String::new();
    // Fails unless the server ends the connection as TLS demands.
    stream.read_to_string(&mut response)?;
    let protocol = stream.conn.alpn_protocol().unwrap_or_default();
    Ok((response, protocol.into()))
}

#[test]
fn reload_renews_the_certificate() {
    let files = Files::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let mut command = activated_example("tls", socket.into());
    command.args([files.certificate(), files.key()]);
    let mut cluster = Program::start(&mut command, addr);
    cluster.wait_for_worker();
    cluster.wait_for_worker();
    let old = files.0.path().join("old.pem");
    fs::copy(files.certificate(), &old).unwrap();
    let (response, protocol) = get(addr, &old).unwrap();
    assert!(response.ends_with("\r\n\r\nhello, 127.0.0.1"), "{response}");
    assert_eq!(protocol, b"http/1.1");

    // A certificate without its key: the old one stays in use.
    fs::rename(files.key(), files.0.path().join("hidden")).unwrap();
    cluster.signal(Signal::SIGHUP);
    let line = cluster.wait_for_log("reload aborted");
    assert!(line.contains("key.pem"), "{line}");
    get(addr, &old).unwrap();

    files.renew(|_| {});
    cluster.signal(Signal::SIGHUP);
    cluster.wait_for_log("reload complete");
    get(addr, &files.certificate()).unwrap();
    let error = get(addr, &old).unwrap_err();
    let error = error.downcast::<rustls::Error>().unwrap();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(_)),
        "{error}"
    );
    cluster.signal(Signal::SIGTERM);
    let (status, log) = cluster.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn unusable_files_are_one_line() {
    type Break = fn(&Files);
    let cases: [(Break, &str, &str); 8] = [
        (
            |files| fs::remove_file(files.certificate()).unwrap(),
            "cert.pem",
            "check the path",
        ),
        (
            |files| fs::remove_file(files.key()).unwrap(),
            "key.pem",
            "check the path",
        ),
        (
            |files| fs::write(files.certificate(), "text").unwrap(),
            "cert.pem",
            "contains no certificate",
        ),
        (
            |files| assert!(fs::copy(files.key(), files.certificate()).is_ok()),
            "cert.pem",
            "contains no certificate",
        ),
        (
            |files| assert!(fs::copy(files.certificate(), files.key()).is_ok()),
            "key.pem",
            "contains no private key",
        ),
        (
            |files| fs::write(files.certificate(), BROKEN_CERTIFICATE).unwrap(),
            "cert.pem",
            "certificate",
        ),
        (
            |files| {
                let text = fs::read_to_string(files.key()).unwrap();
                let text = text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
                fs::write(files.key(), text).unwrap();
            },
            "key.pem",
            "unencrypted",
        ),
        (
            |files| fs::write(files.key(), KeyPair::generate().unwrap().serialize_pem()).unwrap(),
            "key.pem",
            "use the key that the certificate was issued for",
        ),
    ];
    for (break_files, file, problem) in cases {
        for program in ["server", "cluster"] {
            let files = Files::new();
            break_files(&files);
            let (status, log) = files.start(program).wait();
            assert!(!status.success());
            assert_eq!(log.len(), 1, "{log:?}");
            assert!(log[0].contains(problem), "{log:?}");
            let file = files.0.path().join(file);
            assert!(log[0].contains(file.to_str().unwrap()), "{log:?}");
        }
    }
}

/// A PEM section whose content is not a certificate.
const BROKEN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn expired_certificate_is_a_warning() {
    let files = Files::new();
    files.renew(|params| params.not_after = date_time_ymd(2020, 1, 2));
    for program in ["server", "cluster"] {
        let mut program = files.start(program);
        let line = program.wait_for_log("warning");
        assert!(line.contains("expired on Thu, 02 Jan 2020"), "{line}");
        program.wait_for_log("serving https://127.0.0.1:");
        program.signal(Signal::SIGTERM);
        let (status, log) = program.wait();
        assert!(status.success(), "{log:?}");
        let warnings = log.iter().filter(|line| line.contains("warning"));
        assert_eq!(warnings.count(), 1, "{log:?}");
    }
}

#[test]
fn clients_without_tls_are_disconnected() {
    let files = Files::new();
    let mut server = files.start("server");
    server.wait_for_log("serving https://");
    let response = server.get("/");
    assert!(!response.contains("HTTP/"), "{response}");
    server.wait_for_log("TLS handshake with 127.0.0.1 failed");
    get(server.addr, &files.certificate()).unwrap();
    server.signal(Signal::SIGTERM);
    let (status, log) = server.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn server() -> ExitCode {
    run_program(|addr| {
        let server = Server::new(addr).tls(tls());
        let server = server.log_level(log::LevelFilter::Debug);
        server.run(async |_| router())
    })
}

#[test]
fn cluster() -> ExitCode {
    run_program(|addr| {
        Cluster::new(addr)
            .workers(1)
            .tls(tls())
            .run(async |_| router())
    })
}
