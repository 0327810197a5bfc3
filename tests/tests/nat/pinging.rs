//! Why the client does not ping: on the router most people have, whoever speaks first learns the wrong number.

use pulsegate_tests::{
    nat::{Mapping, Pinger, Plan},
    wire,
};

/// The router's time-out, seconds.
const TIMEOUT: u32 = 60;

#[test]
fn a_client_that_pings_believes_in_thrice_the_time_out_of_a_loose_nat_and_hears_nothing_meanwhile() {
    Plan::nat(Mapping::Loose, TIMEOUT).lay(async |lab| {
        let (to, hello) = (lab.dial(), wire::hello(&lab.setup.signer.token("ann")));
        let mut pinger = lab.inside(async move { Pinger::start(to, hello, "t").await }).await;
        for silence in [40, 100, 180] {
            let pinging = lab.inside(async move {
                let came = pinger.silence(silence).await;
                (came, pinger)
            });
            let publishing = async {
                lab.pass(silence.min(TIMEOUT + 20) - 10).await;
                lab.backend.to_topic("t", &silence.to_string()).await;
            };
            let ((came, back), ()) = tokio::join!(pinging, publishing);
            pinger = back;
            if silence < TIMEOUT {
                assert_eq!(came, Some(silence.to_string()));
            } else {
                assert_eq!(came, None, "pushed into an expired mapping");
                let (text, back) = lab.inside(async move { (pinger.text().await, pinger) }).await;
                assert_eq!(text, silence.to_string(), "the ping set it free");
                pinger = back;
            }
        }
        assert_eq!(pinger.believes_in(), 3 * TIMEOUT, "and it would go on");
    });
}
