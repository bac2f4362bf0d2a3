//! TLS certificates.

use crate::{error::Error, logging};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
};
use webpki::{EndEntityCert, KeyUsage};

pub(crate) use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A certificate and its key for TLS 1.2 and 1.3, with the feature `tls`. Endpoints on an
/// address of their own are served without TLS.
///
/// Each worker reads the files at its start. Therefore a reload of a
/// [`Cluster`](crate::Cluster) renews the certificate: replace the files, then send
/// `SIGHUP`. If they cannot be used, the reload is aborted, and the old workers keep
/// serving with the old certificate.
///
/// ```no_run
/// use axum::Router;
/// use highwater_server::{ExitCode, Server, Tls};
///
/// fn main() -> ExitCode {
///     Server::new("127.0.0.1:8443")
///         .tls(Tls::pem_files("cert.pem", "key.pem"))
///         .run(|_worker| async { Router::new() })
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "TLS is not used unless it is passed to a server"]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

/// The application protocols that clients can choose, the preferred one first.
const APPLICATION_PROTOCOLS: &[&[u8]] = &[
    #[cfg(feature = "http2")]
    b"h2",
    b"http/1.1",
];

impl Tls {
    /// Uses a PEM file with the certificate, followed by its intermediate certificates, and
    /// a PEM file with the unencrypted key (PKCS#8, PKCS#1 or SEC1). Both can be the same
    /// file.
    pub fn pem_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Tls {
            certificate: certificate.into(),
            key: key.into(),
        }
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] if they cannot be read, or do not match.
    pub(crate) fn load(&self) -> Result<TlsAcceptor, Error> {
        let chain = self.read_chain()?;
        let key = self.read_key()?;
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|cause| invalid(&self.certificate, cause.to_string()))?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config = config.map_err(|cause| match cause {
            rustls::Error::InconsistentKeys(_) => {
                let reason = format!(
                    "it is not the key of the first certificate in {}; use the key that the \
                     certificate was issued for",
                    self.certificate.display()
                );
                invalid(&self.key, reason)
            }
            cause => invalid(&self.certificate, cause.to_string()),
        })?;
        config.alpn_protocols = APPLICATION_PROTOCOLS.iter().map(|it| it.to_vec()).collect();
        Ok(Arc::new(config).into())
    }

    /// Like [`load`](Self::load), but also warns about a certificate that clients reject
    /// because of its dates.
    pub(crate) fn load_and_warn(&self) -> Result<TlsAcceptor, Error> {
        let acceptor = self.load()?;
        if let Some(problem) = self.read_chain()?.first().and_then(validity_problem) {
            logging::line(&format!(
                "warning: the certificate in {} {problem}; clients reject it until it is renewed",
                self.certificate.display()
            ));
        }
        Ok(acceptor)
    }

    fn read_chain(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let pem = read(&self.certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|cause| invalid(&self.certificate, cause.to_string()))?;
        if chain.is_empty() {
            let reason = "it contains no certificate; expected a PEM file with -----BEGIN \
                          CERTIFICATE-----";
            return Err(invalid(&self.certificate, reason));
        }
        Ok(chain)
    }

    fn read_key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        use rustls::pki_types::pem::Error as PemError;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?);
        key.map_err(|cause| match cause {
            PemError::NoItemsFound => {
                let reason = "it contains no private key; expected a PEM file with an \
                              unencrypted key (PKCS#8, PKCS#1 or SEC1)";
                invalid(&self.key, reason)
            }
            cause => invalid(&self.key, cause.to_string()),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let error = |cause| invalid(path, format!("{cause}; check the path and its permissions"));
    // Reading a pipe would block the supervisor until a program writes to it.
    if !fs::metadata(path).map_err(error)?.is_file() {
        return Err(invalid(path, "it is not a regular file"));
    }
    fs::read(path).map_err(error)
}

fn invalid(file: &Path, reason: impl Into<String>) -> Error {
    Error::Certificate {
        file: file.to_owned(),
        reason: reason.into(),
    }
}

/// Returns why clients reject a certificate because of its dates.
fn validity_problem(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    // Without trusted issuers this always fails, first of all because of the dates.
    let verified = certificate.verify_for_usage(
        &[],
        &[],
        &[],
        UnixTime::now(),
        KeyUsage::server_auth(),
        None,
        None,
    );
    let format = |time: UnixTime| {
        httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(time.as_secs()))
    };
    match verified.err()? {
        webpki::Error::CertExpired { not_after, .. } => {
            Some(format!("expired on {}", format(not_after)))
        }
        webpki::Error::CertNotValidYet { not_before, .. } => {
            Some(format!("is not valid before {}", format(not_before)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(configure: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        configure(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().into()
    }

    #[test]
    fn dates_that_clients_reject_are_found() {
        assert_eq!(validity_problem(&certificate(|_| {})), None);
        let expired = certificate(|params| params.not_after = date_time_ymd(2020, 2, 3));
        assert_eq!(
            validity_problem(&expired).unwrap(),
            "expired on Mon, 03 Feb 2020 00:00:00 GMT"
        );
        let early = certificate(|params| params.not_before = date_time_ymd(4000, 2, 3));
        let problem = validity_problem(&early).unwrap();
        assert!(problem.starts_with("is not valid before "), "{problem}");
    }
    #[cfg(unix)]
    #[test]
    fn pipe_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("cert.pem");
        let mkfifo = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(mkfifo.unwrap().success());
        let error = Tls::pem_files(&pipe, &pipe).load().err().unwrap();
        assert!(error.to_string().ends_with("it is not a regular file"));
    }
}
