//! Claims of one hot free coupon on `PostgreSQL`, compared with a hand-written transaction for each claim.

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::{Bench, progress},
    pgbench::{Reference, Work},
    server::Home,
    stats::{best, percentile},
    table::{Line, millis, per_second, ratio},
};

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut reference = Reference::new(bench).await?;
    let mut theirs = Vec::new();
    for &clients in bench.scale.clients {
        theirs.push((clients, reference.run(bench, Work::Claim, clients).await?));
    }
    let (clients, their_rate) = best(theirs).ok_or("nothing measured")?;
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let (warm_up, timed) = (bench.scale.warm_up, bench.scale.reservations);
    let mut ours = Vec::new();
    for &connections in bench.scale.connections {
        // The stock equals the number of claims, so one too many or too few would be detected.
        let coupon = scene.stage.coupon(warm_up + timed).await?;
        bench.cluster.settle().await?;
        let addresses = [scene.server.address.as_str()];
        let mut tally = scene.crowd(&addresses, connections).claim(&coupon, warm_up, timed).await?;
        let rate = tally.rate_of(timed)?;
        progress(&format!("{connections} connections: {rate:.0}/s, {} asked again", tally.again));
        ours.push(((connections, percentile(&mut tally.latencies, 990)), rate));
    }
    let ((connections, p99), our_rate) = best(ours).ok_or("nothing measured")?;
    let p99 = millis(p99.unwrap_or_default());
    Ok(vec![Line {
        reference_value: format!("{} ({clients} clients)", per_second(their_rate)),
        ours: format!("{} ({connections} connections, p99 {p99})", per_second(our_rate)),
        ratio: ratio(our_rate, their_rate),
        ..Row::Claims.line("`pgbench -M prepared`, the equivalent transaction")
    }])
}
