#!/usr/bin/python3
"""Plants a bug into a copy of one source of the ring or the node, for tests that must find it.

usage: plant.py --list              "bug source" lines
       plant.py BUG OUT_DIR         writes OUT_DIR/<source> with the bug in it

A bug is an exact piece of the source and what takes its place. If the piece is not there exactly once the build fails:
whoever changes that source says here where the bug goes now. Production code has no switches for this.
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]

# name: (source, piece, what takes its place)
BUGS = {
    # A node never learns of a better predecessor.
    "notify_ignored": ("ring/ring_messages.cpp", "set_predecessor(from.member, now, sink);", ""),
    # Lists taken over from a successor grow for ever.
    "list_not_trimmed": ("ring/successor_list.cpp", "if (next.empty() || next.size() >= bound_) break;",
                         "if (next.empty()) break;"),
    # Chord's original mistake: the successor's predecessor is taken over before it has answered.
    "candidate_not_asked": ("ring/ring_stabilise.cpp",
                            "candidate_ = Candidate{better, 0, now, now + config_.request_timeout};",
                            "successors_.adopt(better, successors_.members());\n"
                            "    return after_change(now);"),
    # The silent are never taken for dead.
    "silence_not_noticed": ("ring/ring_tick.cpp", "return gone(id, silence(heartbeat, now), now, sink);", "return;"),
    # Not the first but the last of the nodes after a key is given as its owner.
    "owner_beyond": ("ring/lookup.cpp", "result.owner = successors_[checked_];", "result.owner = successors_.back();"),
    # A peer that may belong to another ring is not asked for the way into it.
    "strangers_not_joined": ("ring/ring.cpp", "if (alone() || (foreign && successors_.find(peer.id) == nullptr))",
                             "if (alone())"),
    # A joiner that knows nobody yet is taken over as successor, with its empty list.
    "listless_adopted": ("ring/ring_stabilise.cpp", "if (neighbours.successors.empty() && !(alone() && lone)) {",
                         "if (lone && !lone) {"),
    # Work is receipted and never worked on.
    "work_receipted_and_dropped": ("src/node/node_messages.cpp", "queues_.push_back(row, queue, std::move(item), now_);",
                                   "buffers_.release(item.tensors, *sink_);"),
    # A receipt is not heard now and then.
    "receipt_swallowed": ("src/node/node_messages.cpp", "auto receipt = link.on_ack(ack);",
                          "auto receipt = ack.seq % 64 == 0 ? Link::Receipt{} : link.on_ack(ack);"),
    # Work that comes again is taken again.
    "work_taken_twice": ("src/node/node_messages.cpp",
                         "return !taken_.take(work, [&](bool may_be_back) "
                         "{ return frames_here(!may_be_back).count(work.frame) != 0; });",
                         "(void)taken_.take(work, [](bool) { return false; });\n"
                         "    return work.attempt < taken_.newest_attempt(work.frame);"),
    # A frame's second result is delivered as its first was.
    "result_accepted_twice": ("src/node/node_messages.cpp",
                              "if (ledger_.mine(result.frame)) "
                              "++ledger_.counts(result.frame.source.stream).late_results;",
                              "if (ledger_.mine(result.frame) && result.failure.empty()) {\n"
                              "            Outcome outcome;\n"
                              "            outcome.inference = result.inference;\n"
                              "            sink_->deliver(result.frame, outcome);\n"
                              "        }"),
    # Whoever takes a frame over says at once that nobody else need keep it.
    "custody_released_on_receipt": ("src/node/node_messages.cpp", "item.keeper = {e.peer, work.custody};",
                                    "releases_.owe({e.peer, work.custody});"),
    # Whoever has finished a frame does not wait for its source to have the result.
    "custody_released_with_result": ("src/node/node_frames.cpp",
                                     "unacknowledged_results_.emplace(item.frame, Finished{result, item.keeper});",
                                     "releases_.owe(item.keeper);\n"
                                     "    unacknowledged_results_.emplace(item.frame, Finished{result, {}});"),
    # What was handed over is not kept.
    "custody_not_kept": ("src/node/node_core.cpp", "if (dead(item)) item.custody = 0;", "item.custody = 0;"),
    # What the lost node had is thrown away instead of queued again.
    "custody_not_queued_again": ("src/node/node_core.cpp", "++counters_.custody_returned;",
                                 "if (custody_.bytes_max() > 0) { buffers_.release(item->tensors, *sink_); continue; }"),
    # A next life does not tell what became of the frames of the last one.
    "unfinished_not_told": ("src/node/frame_ledger.cpp", "sink.deliver({{self_, stream}, frame.life, frame.k}, outcome);",
                            ""),
    # A dropped frame is open for the journal.
    "drop_not_journalled": ("src/node/frame_ledger.cpp",
                            "sink.persist(journal::Settled{frame.source.stream, frame.k, outcome.state});",
                            "if (outcome.state != FrameState::dropped)\n"
                            "        sink.persist(journal::Settled{frame.source.stream, frame.k, outcome.state});"),
    # A failed frame is counted among the dropped.
    "failure_miscounted": ("src/node/frame_ledger.cpp", "case FrameState::failed: ++book.counts.failed; break;",
                           "case FrameState::failed: ++book.counts.dropped; break;"),
}


def plant(name, out_dir):
    source, piece, planted = BUGS[name]
    text = (ROOT / source).read_text()
    count = text.count(piece)
    if count != 1:
        sys.exit(f"{source}: the place of the planted bug {name} is there {count} times, not once; say in "
                 f"tests/sim/planted_faults/plant.py where it is now. It was:\n    {piece}")
    out = pathlib.Path(out_dir) / pathlib.Path(source).name
    out.parent.mkdir(parents=True, exist_ok=True)
    text = text.replace(piece, planted)
    if not out.exists() or out.read_text() != text:
        out.write_text(text)


def main():
    if sys.argv[1:] == ["--list"]:
        for name, (source, _, _) in BUGS.items():
            print(name, source)
    elif len(sys.argv) == 3 and sys.argv[1] in BUGS:
        plant(sys.argv[1], sys.argv[2])
    else:
        sys.exit(__doc__)


main()
