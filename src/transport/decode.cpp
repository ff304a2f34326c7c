// Cap'n Proto to plain structs. Everything here is hostile: each pointer is followed once, each list is bounded before
// it is copied, and the library's exceptions end here.
#include <algorithm>
#include <exception>

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "src/transport/codec.hpp"
#include "src/transport/schema/eddy.capnp.h"

namespace eddy::transport {
namespace {

constexpr Usec wall_clock_end = std::chrono::sys_days(std::chrono::January / 1 / 10000).time_since_epoch();

/// Thrown inside decode() only, caught at its end.
struct Malformed {
    std::string why;
};

[[noreturn]] void malformed(std::string why) { throw Malformed{std::move(why)}; }

template <size_t size>
void copy_exactly(const char* what, capnp::Data::Reader from, std::array<uint8_t, size>& to) {
    if (from.size() != size)
        malformed(std::string(what) + " has " + std::to_string(from.size()) + " bytes (must be " +
                  std::to_string(size) + ")");
    std::copy(from.begin(), from.end(), to.begin());
}

NodeId get_node(capnp::Data::Reader from) {
    NodeId id;
    copy_exactly("a node id", from, id.bytes);
    return id;
}

ContentHash get_hash(capnp::Data::Reader from) {
    ContentHash hash;
    if (from.size() != 0) copy_exactly("a hash", from, hash.bytes);
    return hash;
}

std::string get_name(const char* what, capnp::Text::Reader from, size_t bytes_max) {
    const std::string_view text(from.cStr(), from.size());
    if (!is_clean(text, bytes_max))
        malformed(std::string(what) + " is longer than " + std::to_string(bytes_max) + " bytes or not printable text");
    return std::string(text);
}

std::string get_text(capnp::Text::Reader from) {
    return cleaned(std::string_view(from.cStr(), from.size()), text_bytes_max);
}

template <class List>
size_t bounded(const char* what, const List& list, size_t count_max) {
    if (list.size() > count_max)
        malformed(std::string(what) + ": " + std::to_string(list.size()) + " entries (at most " +
                  std::to_string(count_max) + ")");
    return list.size();
}

template <class Reader>
SourceId get_source(const Reader& from) {
    return {get_node(from.getNode()), StreamId{from.getStream()}};
}

FrameId get(wire::Frame::Reader from) { return {get_source(from), Incarnation{from.getIncarnation()}, from.getK()}; }

Durations get(wire::Durations::Reader from) { return {Usec(from.getWaitingUsec()), Usec(from.getComputingUsec())}; }

msg::Member get(wire::Member::Reader from) {
    msg::Member member;
    member.id = get_node(from.getNode());
    member.incarnation.value = from.getIncarnation();
    member.name = get_name("a node's name", from.getName(), name_bytes_max);
    member.endpoint.host = get_name("a host", from.getHost(), host_bytes_max);
    member.endpoint.port = from.getPort();
    return member;
}

std::vector<msg::Member> get_members(capnp::List<wire::Member>::Reader from, size_t count_max) {
    std::vector<msg::Member> members;
    members.reserve(bounded("members", from, count_max));
    for (const auto& member : from) members.push_back(get(member));
    return members;
}

msg::FindSuccessor get(wire::FindSuccessor::Reader from) { return {from.getRequest(), get_node(from.getKey())}; }

msg::Found get(wire::Found::Reader from) {
    return {from.getRequest(), from.getDone(), get_members(from.getBefore(), found_members_max),
            get_members(from.getAfter(), found_members_max)};
}

msg::GetNeighbours get(wire::GetNeighbours::Reader from) { return {from.getRequest(), from.getKnownVersion()}; }

msg::Neighbours get(wire::Neighbours::Reader from) {
    msg::Neighbours neighbours;
    neighbours.request = from.getRequest();
    neighbours.version = from.getVersion();
    neighbours.unchanged = from.getUnchanged();
    if (from.hasPredecessor()) neighbours.predecessor = get(from.getPredecessor());
    neighbours.successors = get_members(from.getSuccessors(), members_max);
    return neighbours;
}

msg::NodeState get(wire::NodeState::Reader from) {
    msg::NodeState state;
    state.sequence = from.getSequence();
    state.as_of_seq = from.getAsOfSeq();
    state.gamma_s_per_parameter = from.getGammaSecondsPerParameter();
    state.memory_bytes = from.getMemoryBytes();
    state.pressure = from.getPressure();
    state.layers = {from.getFirstLayer(), from.getEndLayer()};
    state.chain_hash = get_hash(from.getChainHash());
    const auto backlog = from.getBacklog();
    state.backlog.reserve(bounded("backlogs", backlog, backlogs_max));
    for (const auto& entry : backlog) state.backlog.push_back({get_source(entry), entry.getLayer(), entry.getFrames()});
    const auto remaining = from.getRemaining();
    state.remaining.reserve(bounded("remaining times", remaining, remaining_max));
    for (const auto& entry : remaining)
        state.remaining.push_back({entry.getLayer(), Usec(entry.getTimeUsec()), entry.getPrice()});
    const auto links = from.getLinks();
    state.links.reserve(bounded("links", links, links_told_max));
    for (const auto& entry : links) state.links.push_back({get_node(entry.getNode()), entry.getBytesPerSecond()});
    return state;
}

HostTensor get(wire::Tensor::Reader from, const std::shared_ptr<std::byte>& body) {
    HostTensor tensor;
    tensor.meta.value.value = from.getValue();
    // 16 bits on the wire, 8 here: a number that does not fit must not become one that does.
    const auto dtype = static_cast<uint16_t>(from.getDtype());
    if (dtype > UINT8_MAX) malformed("a tensor has an unknown type");
    tensor.meta.dtype = static_cast<DType>(dtype);
    const auto shape = from.getShape();
    tensor.meta.shape.reserve(bounded("dimensions", shape, dims_max));
    for (const int64_t extent : shape) tensor.meta.shape.push_back(extent);
    tensor.meta.rows = {from.getRowBegin(), from.getRowEnd()};
    tensor.meta.channels_last = from.getChannelsLast();
    if (from.getCodec() != wire::Codec::RAW) malformed("a tensor is compressed in a way unknown here");
    const auto data = from.getData();
    if (data.size() != 0) {
        // Aliases the receive buffer and keeps it alive.
        const auto* bytes = reinterpret_cast<const std::byte*>(data.begin());
        tensor.bytes = SharedBytes(std::shared_ptr<const std::byte>(body, bytes), data.size());
    }
    return tensor;
}

std::vector<HostTensor> get_tensors(capnp::List<wire::Tensor>::Reader from, size_t count_max, const RawMessage& raw) {
    std::vector<HostTensor> tensors;
    tensors.reserve(bounded("tensors", from, count_max));
    uint64_t bytes = 0;
    for (const auto& tensor : from) {
        tensors.push_back(get(tensor, raw.body));
        bytes += tensors.back().bytes.size();
    }
    if (raw.bytes > bytes + work_overhead_bytes_max) malformed("a message is much larger than the tensors in it");
    return tensors;
}

Delivery get(wire::Work::Reader from, const RawMessage& raw) {
    msg::Work work;
    work.frame = get(from.getFrame());
    work.seq = from.getSeq();
    work.attempt = from.getAttempt();
    work.hops = from.getHops();
    work.layer = from.getLayer();
    work.priority = from.getPriority();
    work.plan.value = from.getPlan();
    work.epoch = from.getEpoch();
    work.chain_hash = get_hash(from.getChainHash());
    work.deadline_left = Usec(from.getDeadlineLeftUsec());
    work.so_far = get(from.getSoFar());
    work.custody = from.getCustody();
    return {work, get_tensors(from.getTensors(), frontier_tensors_max, raw)};
}

Delivery get(wire::Rows::Reader from, const RawMessage& raw) {
    msg::Rows rows;
    rows.frame = get(from.getFrame());
    rows.attempt = from.getAttempt();
    rows.epoch = from.getEpoch();
    rows.message = from.getMessage();
    rows.deadline_left = Usec(from.getDeadlineLeftUsec());
    rows.so_far = get(from.getSoFar());
    rows.seq = from.getSeq();
    return {rows, get_tensors(from.getTensors(), msg::rows_tensors_max, raw)};
}

msg::PlanPrepare get(wire::PlanPrepare::Reader from) {
    msg::PlanPrepare prepare;
    prepare.epoch = from.getEpoch();
    prepare.plan.chain_hash = get_hash(from.getChainHash());
    prepare.plan.window = from.getWindow();
    const auto devices = from.getDevices();
    prepare.plan.devices.reserve(bounded("devices", devices, plan_devices_max));
    for (const auto& device : devices) prepare.plan.devices.push_back(get_node(device));
    const auto blocks = from.getBlocks();
    prepare.plan.blocks.reserve(bounded("blocks", blocks, plan_blocks_max));
    for (const auto& told : blocks) {
        RowBlock block{told.getFirst(), told.getLast(), {}, told.getBoundaryFirst()};
        const auto bounds = told.getBounds();
        block.bounds.reserve(bounded("bounds", bounds, plan_devices_max + 1));
        for (const uint32_t bound : bounds) block.bounds.push_back(bound);
        prepare.plan.blocks.push_back(std::move(block));
    }
    return prepare;
}

msg::PlanAnswer get(wire::PlanAnswer::Reader from) {
    return {from.getEpoch(), from.getReady(), get_text(from.getReason())};
}

msg::RowsCancel get(wire::RowsCancel::Reader from) {
    return {get(from.getFrame()), from.getAttempt(), from.getEpoch()};
}

msg::RowsAck get(wire::RowsAck::Reader from) {
    return {from.getSeq(), from.getBytes(), Usec(from.getFirstByteUsec()), Usec(from.getLastByteUsec())};
}

msg::Ack get(wire::Ack::Reader from) {
    msg::Ack ack;
    ack.seq = from.getSeq();
    ack.bytes = from.getBytes();
    ack.first_byte = Usec(from.getFirstByteUsec());
    ack.last_byte = Usec(from.getLastByteUsec());
    ack.accepted = from.getAccepted();
    const auto credits = from.getCredits();
    ack.credits.reserve(bounded("credits", credits, sources_max));
    for (const auto& credit : credits) ack.credits.push_back({get_source(credit), credit.getLimit()});
    const auto released = from.getReleased();
    ack.released.reserve(bounded("releases", released, msg::released_max));
    for (const uint64_t number : released) ack.released.push_back(number);
    return ack;
}

msg::Result get(wire::Result::Reader from) {
    msg::Result result;
    result.frame = get(from.getFrame());
    result.attempt = from.getAttempt();
    result.hops = from.getHops();
    result.local = from.getLocal();
    result.expired = from.getExpired();
    result.so_far = get(from.getSoFar());
    result.failure = get_text(from.getFailure());
    const auto classes = from.getClasses();
    result.inference.classes.reserve(bounded("classes", classes, classes_max));
    for (const auto& c : classes) result.inference.classes.push_back({c.getLabel(), c.getScore()});
    const auto detections = from.getDetections();
    result.inference.detections.reserve(bounded("detections", detections, detections_max));
    for (const auto& d : detections)
        result.inference.detections.push_back({d.getLabel(), d.getScore(), d.getX0(), d.getY0(), d.getX1(), d.getY1()});
    return result;
}

Hello get(wire::Hello::Reader from) {
    Hello hello;
    hello.cluster = get_name("the cluster's name", from.getCluster(), name_bytes_max);
    hello.member = get(from.getMember());
    hello.probe = from.getProbe();
    if (hello.member.endpoint.port == 0 && !hello.probe) malformed("a node says that it listens on port 0");
    copy_exactly("an instance", from.getInstance(), hello.instance);
    copy_exactly("a nonce", from.getNonce(), hello.nonce);
    hello.keyed = from.getKeyed();
    const auto session = from.getSession();
    if (session.size() != 0) copy_exactly("a session", session, hello.session.emplace());
    hello.chain_hash = get_hash(from.getChainHash());
    // Differences of bounded numbers do not overflow.
    if (from.getWallClockUsec() > 0 && Usec(from.getWallClockUsec()) < wall_clock_end)
        hello.wall_clock = Usec(from.getWallClockUsec());
    return hello;
}

Proof get(wire::Proof::Reader from) {
    Proof proof;
    copy_exactly("a proof", from.getMac(), proof.mac);
    return proof;
}

Result<Packet> read(wire::Envelope::Reader from, const RawMessage& raw) {
    const auto deliver = [](Message message) -> Packet { return Delivery{std::move(message), {}}; };
    switch (from.which()) {
        case wire::Envelope::HELLO: return Packet(get(from.getHello()));
        case wire::Envelope::PROOF: return Packet(get(from.getProof()));
        case wire::Envelope::REFUSE: {
            const auto refuse = from.getRefuse();
            return Packet(Refuse{refuse.getCode(), get_text(refuse.getText())});
        }
        case wire::Envelope::INQUIRY: {
            const auto inquiry = from.getInquiry();
            return Packet(Inquiry{inquiry.getNumber(), get_text(inquiry.getClaimant())});
        }
        case wire::Envelope::ALIVE: return Packet(Alive{from.getAlive()});
        case wire::Envelope::BYE: return Packet(Bye{get_text(from.getBye().getReason())});
        case wire::Envelope::PING: return deliver(msg::Ping{from.getPing()});
        case wire::Envelope::PONG: return deliver(msg::Pong{from.getPong()});
        case wire::Envelope::FIND_SUCCESSOR: return deliver(get(from.getFindSuccessor()));
        case wire::Envelope::FOUND: return deliver(get(from.getFound()));
        case wire::Envelope::GET_NEIGHBOURS: return deliver(get(from.getGetNeighbours()));
        case wire::Envelope::NOTIFY: return deliver(msg::Notify{});
        case wire::Envelope::INTRODUCE: return deliver(msg::Introduce{get(from.getIntroduce())});
        case wire::Envelope::NEIGHBOURS: return deliver(get(from.getNeighbours()));
        case wire::Envelope::LEAVE: return deliver(msg::Leave{get_text(from.getLeave())});
        case wire::Envelope::NODE_STATE: return deliver(get(from.getNodeState()));
        case wire::Envelope::WORK: return Packet(get(from.getWork(), raw));
        case wire::Envelope::ACK: return deliver(get(from.getAck()));
        case wire::Envelope::RESULT: return deliver(get(from.getResult()));
        case wire::Envelope::RESULT_ACK: return deliver(msg::ResultAck{get(from.getResultAck())});
        case wire::Envelope::PLAN_PREPARE: return deliver(get(from.getPlanPrepare()));
        case wire::Envelope::PLAN_ANSWER: return deliver(get(from.getPlanAnswer()));
        case wire::Envelope::PLAN_RETIRE: return deliver(msg::PlanRetire{from.getPlanRetire()});
        case wire::Envelope::ROWS: return Packet(get(from.getRows(), raw));
        case wire::Envelope::ROWS_CANCEL: return deliver(get(from.getRowsCancel()));
        case wire::Envelope::ROWS_ACK: return deliver(get(from.getRowsAck()));
    }
    return unsupported("a message of kind " + std::to_string(static_cast<unsigned>(from.which())) +
                       ", unknown to this version");
}

Result<Packet> decode_or_throw(const RawMessage& raw) {
    std::array<kj::ArrayPtr<const capnp::word>, segments_max> segments;
    if (raw.segments.size() > segments.size()) return invalid("too many segments");
    uint64_t words = 0;
    for (size_t i = 0; i < raw.segments.size(); ++i) {
        const auto& segment = raw.segments[i];
        segments[i] = kj::arrayPtr(reinterpret_cast<const capnp::word*>(segment.data()), segment.size() / 8);
        words += segment.size() / 8;
    }
    capnp::ReaderOptions options;
    // An honest message has every word read once; pointers that lead to the same bytes again and again run into this.
    options.traversalLimitInWords = words + 16;
    options.nestingLimit = 8;
    capnp::SegmentArrayMessageReader reader(kj::arrayPtr(segments.data(), raw.segments.size()), options);

    auto packet = read(reader.getRoot<wire::Envelope>(), raw);
    if (!packet) return packet;
    if (const auto* delivery = std::get_if<Delivery>(&packet.value())) {
        if (auto status = check(delivery->message, delivery->tensors); !status) return status.error();
        if (std::holds_alternative<msg::Result>(delivery->message) && raw.bytes > result_bytes_max)
            return invalid("a result of " + std::to_string(raw.bytes) + " bytes is too large");
    }
    return packet;
}

}  // namespace

Result<Packet> decode(const RawMessage& raw) {
    try {
        return decode_or_throw(raw);
    } catch (const Malformed& e) {
        return invalid("malformed message: " + e.why);
    } catch (const kj::Exception& e) {
        return invalid(std::string("malformed message: ") + e.getDescription().cStr());
    } catch (const std::exception& e) {
        return exhausted(std::string("cannot decode a message: ") + e.what());
    }
}

}  // namespace eddy::transport
