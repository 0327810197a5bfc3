//! A reverse proxy before the gateway that closes idle links: a real nginx.

use super::router::GATEWAY;
use crate::until;
use std::{fs, net::SocketAddr, path::Path, process::Stdio};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// A running nginx. It ends with its value.
#[derive(Debug)]
pub struct Nginx {
    _child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts one in the namespace of the calling thread that hands everything to `gateway` and ends a link after
    /// `idle_s` seconds without traffic; `speed` of them are one of the wall's. Its files are in `folder`.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn start(folder: &Path, gateway: SocketAddr, idle_s: u32, speed: u32) -> Self {
        let folder = folder.join("nginx");
        fs::create_dir(&folder).unwrap();
        let address = SocketAddr::from((GATEWAY, 80));
        let idle_ms = idle_s * 1000 / speed;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", folder.join(kind).display()))
            .concat();
        let config = format!(
            "daemon off; master_process off; user root; pid {pid}; error_log stderr;
            events {{}}
            http {{
                access_log off;
                {temporary}
                server {{
                    listen {address};
                    location / {{
                        proxy_pass http://{gateway};
                        proxy_http_version 1.1;
                        proxy_set_header Host $http_host;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection upgrade;
                        proxy_set_header X-Forwarded-For $remote_addr;
                        proxy_read_timeout {idle_ms}ms;
                    }}
                }}
            }}",
            pid = folder.join("pid").display(),
        );
        let path = folder.join("nginx.conf");
        fs::write(&path, config).unwrap();
        let child = Command::new("nginx")
            .arg("-e")
            .arg("stderr")
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until("nginx to listen", || async { TcpStream::connect(address).await.ok() }).await;
        Self { _child: child, address }
    }

    /// Where devices dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
