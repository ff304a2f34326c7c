@0xc5d1a9f3e07b4682;
# Eddy's wire, protocol version 1. After eight bytes of preamble in each direction (src/transport/handshake.hpp) a
# connection is a sequence of Envelopes in Cap'n Proto's standard stream framing. To read a captured stream by hand:
#   tail -c +9 stream.bin | capnp decode schema/eddy.capnp Envelope
#
# Bounds (include/eddy/messages.hpp) are checked by the receiver, before it allocates. A field added later takes the
# next number, and old nodes ignore it; a change that old nodes must not ignore raises the protocol version.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("eddy::transport::wire");

struct Envelope {
  union {
    hello @0 :Hello;
    proof @1 :Proof;
    refuse @2 :Refuse;
    bye @3 :Bye;
    ping @4 :UInt64;        # sequence
    pong @5 :UInt64;        # sequence of the ping it answers
    findSuccessor @6 :FindSuccessor;
    found @7 :Found;
    getNeighbours @8 :GetNeighbours;
    neighbours @9 :Neighbours;
    notify @10 :Void;       # the sender holds the receiver for its successor
    introduce @11 :Member;  # a node the receiver may not know
    leave @12 :Text;        # reason
    nodeState @13 :NodeState;
    work @14 :Work;
    ack @15 :Ack;
    result @16 :Result;
    resultAck @17 :Frame;
    inquiry @18 :Inquiry;
    alive @19 :UInt64;      # number of the inquiry it answers
    planPrepare @20 :PlanPrepare;
    planAnswer @21 :PlanAnswer;
    planRetire @22 :UInt32; # epoch of the sender's plan that is over
    rows @23 :Rows;
    rowsCancel @24 :RowsCancel;
    rowsAck @25 :RowsAck;
  }
}

# -- Two claim one identity: the one that is connected is asked whether it still lives.

struct Inquiry {
  number @0 :UInt64;
  claimant @1 :Text;   # address of the other one
}

# -- The handshake. On each of the two connections: dialler's Hello, acceptor's Hello, dialler's Proof, acceptor's Proof.

struct Hello {
  cluster @0 :Text;
  member @1 :Member;
  instance @2 :Data;   # 16 random bytes, made when the process started: tells two claimants of one identity apart
  nonce @3 :Data;      # 32 fresh random bytes
  keyed @4 :Bool;      # a cluster key is set; only then do the proofs say anything
  session @5 :Data;    # bulk, dialler: the acceptor's nonce on the control connection this one belongs to
  chainHash @6 :Data;  # empty: no model
  wallClockUsec @7 :Int64;   # since the Unix epoch, when this was said; for people to compare, nothing depends on it
  probe @8 :Bool;      # dialler: only asks who is here; both prove themselves, then the connection ends
}

struct Proof {
  mac @0 :Data;        # HMAC-SHA256(cluster key, role, both preambles and both Hellos as they were on the wire)
}

struct Refuse {
  code @0 :UInt16;     # handshake.hpp: Refusal
  text @1 :Text;
}

struct Bye {
  reason @0 :Text;
}

# -- Names of things.

struct Member {
  node @0 :Data;       # 20 bytes, most significant first
  incarnation @1 :UInt64;
  name @2 :Text;
  host @3 :Text;
  port @4 :UInt16;
}

struct Source {
  node @0 :Data;
  stream @1 :UInt16;
}

struct Frame {
  node @0 :Data;       # the source's node
  stream @1 :UInt16;
  incarnation @2 :UInt64;
  k @3 :UInt64;
}

struct Durations {
  waitingUsec @0 :Int64;
  computingUsec @1 :Int64;
}

# -- The ring. Answers repeat the request's number.

struct FindSuccessor {
  request @0 :UInt64;
  key @1 :Data;        # 20 bytes, as a node's
}

struct Found {
  request @0 :UInt64;
  done @1 :Bool;            # the sender is the key's predecessor
  before @2 :List(Member);  # between sender and key, closest to the key first
  after @3 :List(Member);   # the sender's successors from the key on
}

struct GetNeighbours {
  request @0 :UInt64;  # not 0
  knownVersion @1 :UInt64;   # 0: none
}

struct Neighbours {
  request @0 :UInt64;  # 0: told unasked
  version @1 :UInt64;
  unchanged @2 :Bool;  # since the known version: the rest is empty
  predecessor @3 :Member;    # null: none
  successors @4 :List(Member);  # at most 64
}

# -- What a node tells its neighbours.

struct Backlog {
  node @0 :Data;
  stream @1 :UInt16;
  layer @2 :UInt16;
  frames @3 :UInt32;
}

struct Remaining {
  layer @0 :UInt16;
  timeUsec @1 :Int64;
  price @2 :Float32;  # frames; at most 1e6
}

struct LinkSpeed {
  node @0 :Data;           # the other end
  bytesPerSecond @1 :Float32;  # as measured; finite, not negative
}

struct NodeState {
  sequence @0 :UInt64;
  asOfSeq @1 :UInt64;
  gammaSecondsPerParameter @2 :Float64;
  memoryBytes @3 :UInt64;
  chainHash @4 :Data;  # empty: no model
  backlog @5 :List(Backlog);
  remaining @6 :List(Remaining);  # layers rising; at most 16
  pressure @7 :Float64;           # largest weight / admitted rate of its sources; 0: none
  firstLayer @8 :UInt16;          # of its chain it runs these layers,
  endLayer @9 :UInt16;            # up to and without this one; equal: none
  links @10 :List(LinkSpeed);     # from the sender to others; at most 32
}

# -- Frames on their way.

enum DType { u8 @0; f32 @1; i64 @2; i32 @3; f16 @4; boolean @5; f64 @6; }
enum Codec { raw @0; }

struct Tensor {
  value @0 :UInt32;
  dtype @1 :DType;
  shape @2 :List(Int64);
  rowBegin @3 :UInt32;
  rowEnd @4 :UInt32 = 0xffffffff;  # to the last row
  codec @5 :Codec;
  data @6 :Data;       # dense, row-major, little-endian; starts on a multiple of eight bytes
  channelsLast @7 :Bool;  # of a shape [1, C, H, W] the data is in the order H, W, C
}

struct Work {
  frame @0 :Frame;
  seq @1 :UInt64;
  attempt @2 :UInt32;
  hops @3 :UInt16;
  layer @4 :UInt16;
  plan @5 :UInt32;
  epoch @6 :UInt32;
  chainHash @7 :Data;
  deadlineLeftUsec @8 :Int64 = 0x7fffffffffffffff;  # greatest: none
  soFar @9 :Durations;
  tensors @10 :List(Tensor);
  priority @11 :UInt8; # of its source; at most 100
  custody @12 :UInt64; # the sender keeps it under this number until it is released; 0: it does not
}

struct Credit {
  node @0 :Data;
  stream @1 :UInt16;
  limit @2 :UInt64;
}

struct Ack {
  seq @0 :UInt64;
  bytes @1 :UInt64;
  firstByteUsec @2 :Int64;   # the receiver's clock: only the difference means anything
  lastByteUsec @3 :Int64;
  accepted @4 :Bool = true;
  credits @5 :List(Credit);
  released @6 :List(UInt64);  # custody of work that need not be kept any more; at most 256
}

struct ClassScore {
  label @0 :UInt32;
  score @1 :Float32;
}

struct Detection {
  label @0 :UInt32;
  score @1 :Float32;
  x0 @2 :Float32;
  y0 @3 :Float32;
  x1 @4 :Float32;
  y1 @5 :Float32;
}

struct Result {
  frame @0 :Frame;
  attempt @1 :UInt32;
  hops @2 :UInt16;
  local @3 :Bool;
  expired @4 :Bool;
  soFar @5 :Durations;
  classes @6 :List(ClassScore);
  detections @7 :List(Detection);
  failure @8 :Text;
}

# -- EdgeFlow: rows of a model over several devices, by a plan of the frames' source.

struct RowBlock {
  first @0 :UInt32;    # steps [first, last)
  last @1 :UInt32;
  bounds @2 :List(UInt32);   # one more than devices, from 0 on, never falling: device i makes the rows from bound i
                             # up to bound i + 1
  boundaryFirst @3 :Bool;
}

struct PlanPrepare {
  epoch @0 :UInt32;
  chainHash @1 :Data;
  devices @2 :List(Data);    # nodes, each once; 1 to 16
  window @3 :UInt32;         # frames that memory is reserved for; 1 to 16
  blocks @4 :List(RowBlock); # at most 1024
}

struct PlanAnswer {
  epoch @0 :UInt32;
  ready @1 :Bool;
  reason @2 :Text;     # why not
}

struct Rows {
  frame @0 :Frame;
  attempt @1 :UInt32;
  epoch @2 :UInt32;
  message @3 :UInt32;  # its number in the plan
  deadlineLeftUsec @4 :Int64 = 0x7fffffffffffffff;  # greatest: none
  soFar @5 :Durations;
  tensors @6 :List(Tensor);  # at most 64
  seq @7 :UInt64;      # rises by one with each Rows message on the connection
}

struct RowsCancel {
  frame @0 :Frame;
  attempt @1 :UInt32;
  epoch @2 :UInt32;
}

struct RowsAck {             # receipt of one Rows message
  seq @0 :UInt64;
  bytes @1 :UInt64;
  firstByteUsec @2 :Int64;   # the receiver's clock: only the difference means anything
  lastByteUsec @3 :Int64;
}
