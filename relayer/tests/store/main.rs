//! The store and the signer: what is signed was reserved on disk before, once; and one process at a time.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

mod bench;
mod copies;
mod cutting;
mod fence;
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "the tests of the evidence use more of it")]
mod postgres;
mod signing;
mod suite;

/// Each of these is a test on both databases.
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod sqlite {
            $(#[test] fn $name() { crate::suite::$name(&crate::bench::Bench::sqlite()); })*
        }
        mod postgresql {
            $(#[test] fn $name() { crate::suite::$name(&crate::bench::Bench::postgres()); })*
        }
    };
}

on_both! {
    what_was_committed_is_there_after_a_restart_in_order,
    what_was_booked_is_there_after_a_restart_as_long_as_it_counts,
    only_what_is_reserved_on_disk_can_be_signed,
    a_nonce_has_one_content_and_beside_it_the_void,
    an_own_signature_without_a_reservation_cannot_be_written,
    a_missing_store_is_refused_and_an_existing_one_is_not_overwritten,
    a_second_process_of_the_seat_is_refused,
    a_store_of_another_seat_ring_or_chain_is_refused,
    a_record_changed_removed_or_inserted_is_found,
    damage_to_what_a_start_does_not_read_is_found_by_reading_all,
    a_start_reads_what_is_open_and_no_history,
    an_end_is_found_by_id_and_stays_the_first,
    the_history_is_read_in_pieces_from_any_place_and_a_request_ends_in_it_once,
    what_a_client_asked_for_is_there_with_who_signed_it,
    what_a_peer_asks_for_is_there_after_it_is_final,
    a_standby_gets_nothing_until_the_first_has_ended_and_then_all,
    what_many_requests_ended_in_is_read_back_for_each,
    a_seat_goes_on_with_another_key_in_the_next_epoch_and_forgets_nothing,
    a_cancellation_is_there_after_a_restart_until_its_request_has_ended,
    alarms_are_there_after_a_restart_once_each_and_not_without_bound,
    a_store_of_the_layout_before_is_brought_to_this_one,
    a_seat_that_succeeded_has_its_next_key_and_charter_after_a_restart,
    the_history_tells_of_a_cancellation_and_that_a_turn_bound_what_was_cancelled,
}
