//! TLS 1.2 and 1.3 by rustls and aws-lc. The certificate can be replaced while connections are open.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{Ticketer, default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{fs, time::sleep};
use tokio_rustls::TlsAcceptor;

use crate::config::NetworkSettings;

/// The protocols for the handshake, by preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A fault in the certificate or its key.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFault {
    #[error("{} cannot be read: {fault}", path.display())]
    Unreadable { path: PathBuf, fault: io::Error },
    #[error("{} holds no certificate in PEM format", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key in PEM format", .0.display())]
    NoKey(PathBuf),
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The acceptor of TLS connections, and its certificate.
#[derive(Clone)]
pub(super) struct Tls {
    /// Performs the handshake.
    pub acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

impl Tls {
    /// Loads the certificate, if the settings name one.
    pub(super) async fn load(settings: &NetworkSettings) -> Result<Option<Self>, TlsFault> {
        let (Some(chain), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
        let files = Files { chain: chain.clone(), key: key.clone() };
        let current = RwLock::new(Arc::new(files.load().await?));
        let certificate = Arc::new(Certificate { files, current });
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Sessions are resumed by tickets. Their keys change every six hours and are never stored.
        config.ticketer = Ticketer::new()?;
        config.ignore_client_order = true;
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate }))
    }

    /// Checks the files periodically and uses a new pair. An invalid pair is reported once and ignored, for example a
    /// certificate whose key is not written yet.
    pub(super) async fn follow(&self, every: Duration) {
        // The first check finds changes since the start.
        let mut seen = None;
        loop {
            let stamps = self.certificate.files.stamps().await;
            if seen.as_ref() != Some(&stamps) {
                seen = Some(stamps);
                self.certificate.reload().await;
            }
            sleep(every).await;
        }
    }
}

/// The certificate in use.
#[derive(Debug)]
struct Certificate {
    files: Files,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Uses the pair of the files. Returns `false` if it is in use already or invalid.
    async fn reload(&self) -> bool {
        let pair = match self.files.load().await {
            Ok(pair) => pair,
            Err(fault) => {
                tracing::warn!(%fault, "the new certificate is not used");
                return false;
            }
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.cert == pair.cert {
            return false;
        }
        *current = Arc::new(pair);
        tracing::info!("a new certificate is in use");
        true
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The paths of certificate and key.
#[derive(Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// A file's time and size, by which a change is noticed.
type Stamp = Option<(SystemTime, u64)>;

impl Files {
    async fn stamps(&self) -> [Stamp; 2] {
        let stamp = async |path: &Path| {
            let file = fs::metadata(path).await.ok()?;
            Some((file.modified().ok()?, file.len()))
        };
        [stamp(&self.chain).await, stamp(&self.key).await]
    }

    /// Reads the files and checks that they belong together.
    async fn load(&self) -> Result<CertifiedKey, TlsFault> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&self.chain).await?).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsFault::NoCertificate(self.chain.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key).await?)
            .map_err(|_| TlsFault::NoKey(self.key.clone()))?;
        Ok(CertifiedKey::from_der(chain, key, &default_provider())?)
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(path).await.map_err(|fault| TlsFault::Unreadable { path: path.to_owned(), fault })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn files(directory: &TempDir, chain: &str, key: &str) -> Files {
        let files = Files { chain: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
        std::fs::write(&files.chain, chain).expect("written");
        std::fs::write(&files.key, key).expect("written");
        files
    }

    fn pair() -> (String, String) {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a pair");
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    }

    #[tokio::test]
    async fn only_a_certificate_with_its_own_key_is_used() {
        let directory = TempDir::new().expect("a directory");
        let ((chain, key), (_, foreign)) = (pair(), pair());
        assert!(files(&directory, &chain, &key).load().await.is_ok());
        for (chain, key, word) in [
            (&*chain, &*foreign, "cannot be used"),
            ("", &*key, "holds no certificate"),
            ("nonsense", &*key, "holds no certificate"),
            (&*chain, "", "holds no private key"),
            (&*chain, &*chain, "holds no private key"),
        ] {
            let fault = files(&directory, chain, key).load().await.expect_err("refused").to_string();
            assert!(fault.contains(word), "{fault}");
        }
        let gone = Files { chain: directory.path().join("gone.pem"), key: directory.path().join("key.pem") };
        let fault = gone.load().await.expect_err("refused").to_string();
        assert!(fault.contains("gone.pem cannot be read"), "{fault}");
    }

    #[tokio::test]
    async fn invalid_certificate_pair_is_ignored() {
        let directory = TempDir::new().expect("a directory");
        let ((chain, key), (other, _)) = (pair(), pair());
        let files = files(&directory, &chain, &key);
        let current = RwLock::new(Arc::new(files.load().await.expect("a pair")));
        let certificate = Certificate { files, current };
        std::fs::write(&certificate.files.chain, other).expect("written");
        assert!(!certificate.reload().await);
        std::fs::write(&certificate.files.chain, pair().0).expect("written");
        assert!(!certificate.reload().await);
        let (chain, key) = pair();
        std::fs::write(&certificate.files.chain, chain).expect("written");
        std::fs::write(&certificate.files.key, key).expect("written");
        assert!(certificate.reload().await);
        assert!(!certificate.reload().await, "the same again");
    }
}
