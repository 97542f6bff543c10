use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::clock::{Clock as _, MonotonicClock};
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;

use crate::settings::Rate;

/// How many accounts are paced at once; one that is forgotten begins anew.
const MOST_ACCOUNTS: usize = 10_000;

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock>;

/// How fast each account may ask, where the settings say so.
pub(super) struct Pace(ArcSwapOption<Paced>);

struct Paced {
    rate: Rate,
    accounts: Cache<Arc<str>, Arc<Limiter>>,
}

impl Pace {
    /// The pace that settings ask for.
    pub fn new(rate: Option<Rate>) -> Self {
        Pace(ArcSwapOption::from(rate.map(paced)))
    }

    /// Goes on with other settings. Where they ask for the same, nobody gets more for it.
    pub fn set(&self, rate: Option<Rate>) {
        if self.0.load().as_ref().map(|paced| paced.rate) != rate {
            self.0.store(rate.map(paced));
        }
    }
}

fn paced(rate: Rate) -> Arc<Paced> {
    Arc::new(Paced { rate, accounts: Cache::new(MOST_ACCOUNTS) })
}

impl Pace {
    /// Lets an account's request through, or says after how long the next one will be.
    pub fn admit(&self, account: &Arc<str>) -> Result<(), Duration> {
        let paced = self.0.load();
        let Some(paced) = &*paced else { return Ok(()) };
        let make = || -> Result<_, std::convert::Infallible> {
            let quota = Quota::per_second(paced.rate.per_second).allow_burst(paced.rate.burst);
            Ok(Arc::new(RateLimiter::direct_with_clock(quota, MonotonicClock)))
        };
        let limiter = match paced.accounts.get_or_insert_with(account, make) {
            Ok(limiter) => limiter,
            Err(never) => match never {},
        };
        limiter.check().map_err(|until| until.wait_time_from(MonotonicClock.now()))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_pace_that_stays_the_same_gives_nobody_more() {
        let of = |number| NonZeroU32::new(number).unwrap();
        let rate = Rate { per_second: of(1), burst: of(2) };
        let pace = Pace::new(Some(rate));
        let before = Arc::as_ptr(pace.0.load().as_ref().unwrap());
        pace.set(Some(rate));
        assert_eq!(Arc::as_ptr(pace.0.load().as_ref().unwrap()), before);
        pace.set(Some(Rate { burst: of(3), ..rate }));
        assert_ne!(Arc::as_ptr(pace.0.load().as_ref().unwrap()), before);
        pace.set(None);
        assert!(pace.0.load().is_none());
    }
}
