//! The box between: it translates addresses, and forgets who was quiet for too long.

use super::namespace::Namespace;
use std::net::Ipv4Addr;

/// The gateway's address, from the range for examples (RFC 5737).
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// What becomes of a connection that was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// Nothing passes any more, from either side, and nobody is told: a carrier's translator.
    Strict,
    /// The client's next packet makes the mapping anew, what comes from outside meanwhile is dropped: a Linux router
    /// at home, with `nf_conntrack_tcp_loose` as it comes.
    Loose,
    /// Whoever speaks next is told by a reset: a company's firewall.
    Reset,
}

/// A client's network and a gateway's, and the router between them.
#[derive(Debug)]
pub struct Wires {
    /// Where the client is.
    pub client: Namespace,
    /// Where the gateway is.
    pub outside: Namespace,
    router: Namespace,
    speed: u32,
}

impl Wires {
    /// Lays the wires; mappings live `timeout_s` seconds, of which `speed` are one of the wall's.
    #[must_use]
    pub fn lay(mapping: Mapping, timeout_s: u32, speed: u32) -> Self {
        let (client, outside, router) = (Namespace::new(), Namespace::new(), Namespace::new());
        router.run(&format!("ip link add lan type veth peer name eth0 netns {}", client.pid()));
        router.run(&format!("ip link add wan type veth peer name eth0 netns {}", outside.pid()));
        for (namespace, device, address) in [
            (&client, "eth0", "192.168.7.2/24"),
            (&router, "lan", "192.168.7.1/24"),
            (&router, "wan", "203.0.113.2/24"),
            (&outside, "eth0", "203.0.113.1/24"),
        ] {
            namespace.run(&format!("ip address add {address} dev {device}"));
            namespace.run(&format!("ip link set {device} up"));
        }
        // The kernel's retransmissions begin after 200 ms of the wall's: they are scaled too.
        let soon = format!("rto_min {}ms", 200 / speed);
        client.run(&format!("ip route add default via 192.168.7.1 {soon}"));
        outside.run(&format!("ip route change 203.0.113.0/24 dev eth0 src {GATEWAY} {soon}"));
        router.set("net.ipv4.ip_forward", 1);
        router.feed("nft", &["-f", "-"], &rules(mapping));
        router.set("net.netfilter.nf_conntrack_tcp_loose", u32::from(mapping == Mapping::Loose));
        let wires = Self { client, outside, router, speed };
        wires.timeout(timeout_s);
        wires
    }

    /// Changes the time-out; it holds from the next packet of a connection on.
    ///
    /// # Panics
    /// If it is no whole second of the wall's.
    pub fn timeout(&self, seconds: u32) {
        assert_eq!(seconds % self.speed, 0, "the kernel counts whole seconds");
        self.router.set("net.netfilter.nf_conntrack_tcp_timeout_established", seconds / self.speed);
    }

    /// Forgets every connection there is, as a router does that restarts or whose table is full.
    pub fn forget(&self) {
        self.router.run("conntrack --flush");
    }

    /// How many connections are known and not over their time-out.
    #[must_use]
    pub fn mappings(&self) -> usize {
        self.router
            .run("conntrack --dump --proto tcp")
            .lines()
            .filter(|line| line.contains("ESTABLISHED"))
            .count()
    }

    /// Takes the client's cable out of the router, or puts it in again.
    pub fn cable(&self, plugged: bool) {
        self.router.run(&format!("ip link set lan {}", if plugged { "up" } else { "down" }));
    }
}

fn rules(mapping: Mapping) -> String {
    let end = match mapping {
        Mapping::Strict | Mapping::Loose => "drop",
        Mapping::Reset => "meta l4proto tcp reject with tcp reset",
    };
    format!(
        "table ip nat {{
            chain after {{
                type nat hook postrouting priority srcnat
                oifname wan masquerade
            }}
        }}
        table ip firewall {{
            chain to_router {{
                type filter hook input priority filter
                iifname wan ct state != established {end}
            }}
            chain through {{
                type filter hook forward priority filter
                ct state invalid {end}
            }}
        }}
        "
    )
}
