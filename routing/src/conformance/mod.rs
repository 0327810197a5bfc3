//! One suite for every store: what a router promises, whatever it stands on. [`conformance!`] makes
//! a test of each case for a store of the caller's.

// A broken promise is a panic here: the suite is only built for tests.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod case_audience;
mod case_device;
mod case_expiry;
mod case_message;
mod case_resume;
mod tables;
mod world;

pub use case_audience::*;
pub use case_device::*;
pub use case_expiry::*;
pub use case_message::*;
pub use case_resume::*;
pub use tables::{Fault, FaultyTables};
pub use world::{Device, Heard, Recorder, World, topic, user};

/// Makes a test of each case. `$world` is an `async fn() -> (World, impl Sized)`; the second part
/// (a temporary directory, say) is kept until the case is over.
#[macro_export]
macro_rules! conformance {
    ($world:path) => {
        $crate::conformance! { $world;
            a_topic_message_reaches_every_subscriber_once_and_in_order,
            a_subscription_is_read_from_the_head_of_its_commit,
            a_list_is_normalised_and_an_unknown_device_refused,
            excludes_hold_in_every_kind_of_target,
            tags_are_looked_at_when_the_entry_is_passed,
            an_idempotency_key_publishes_once_for_a_day,
            keys_of_the_app_and_of_a_device_never_meet,
            a_newer_collapse_key_hides_the_older_one,
            a_collapse_with_a_predicate_hides_for_whom_it_is_and_for_good,
            a_recall_reaches_who_had_the_message_and_nobody_else,
            a_recall_of_many_logs_reaches_each,
            time_to_live_zero_is_handed_over_and_never_stored,
            a_scheduled_message_comes_when_it_is_due_and_once,
            a_recalled_schedule_never_comes,
            a_batch_answers_each_line_in_order,
            a_message_id_is_used_once,
            long_bodies_to_many_logs_arrive_whole,
            a_message_ends_with_its_time_to_live,
            retention_caps_the_time_to_live,
            idle_registrations_are_forgotten_and_connected_ones_are_not,
            an_ephemeral_registration_dies_with_its_link,
            trimming_unexpired_entries_is_told_as_a_gap,
            resume_starts_at_the_cursor_of_the_client,
            a_client_that_names_no_cursor_resumes_at_the_gateways,
            a_cursor_that_means_nothing_gets_a_gap,
            a_cursor_below_the_subscription_starts_at_the_subscription,
            reads_are_bounded_and_go_on_where_they_stopped,
            the_pair_of_generation_and_link_orders_hellos,
            a_superseded_link_changes_nothing,
            a_late_goodbye_leaves_the_newer_link_alone,
            a_wrong_secret_is_refused_and_an_unknown_id_begins_anew,
            a_registration_belongs_to_one_user,
            an_anonymous_registration_becomes_a_user_once,
            topics_beyond_the_limit_are_refused_whole,
            a_narrower_grant_ends_what_the_device_made_only,
            the_backend_s_changes_are_told,
            the_funnel_counts_each_device_once,
            receipts_count_once_and_only_for_what_could_be_read,
            a_device_that_stored_beyond_its_acks_is_counted_when_it_comes_back,
            everyone_is_limited_by_the_second_and_in_all,
            audiences_are_counted_without_publishing,
            apps_never_meet,
        }
    };
    ($world:path; $($case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let (mut world, _kept) = $world().await;
                    $crate::conformance::$case(&mut world).await;
                });
            }
        )*
    };
}
