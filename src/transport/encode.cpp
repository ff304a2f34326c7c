// Plain structs to Cap'n Proto.
#include <algorithm>
#include <cmath>
#include <exception>

#include <capnp/message.h>
#include <capnp/orphan.h>

#include "src/transport/codec.hpp"
#include "src/transport/schema/eddy.capnp.h"

namespace eddy::transport {
namespace {

/// What must stay where it is until the message is written.
struct Outgoing {
    explicit Outgoing(unsigned first_segment_words) : builder(first_segment_words) {}

    capnp::MallocMessageBuilder builder;
    std::vector<HostTensor> tensors;
    std::vector<std::array<uint8_t, 4>> table;
};

std::array<uint8_t, 4> little_endian(uint32_t value) {
    return {static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value >> 16),
            static_cast<uint8_t>(value >> 24)};
}

/// Adds the segment table; no byte of a segment is copied.
Encoded finish(std::shared_ptr<Outgoing> outgoing) {
    Encoded encoded;
    const auto segments = outgoing->builder.getSegmentsForOutput();
    auto& table = outgoing->table;
    table.reserve(segments.size() + 2);
    table.push_back(little_endian(static_cast<uint32_t>(segments.size() - 1)));
    for (const auto& segment : segments) table.push_back(little_endian(static_cast<uint32_t>(segment.size())));
    if (table.size() % 2 != 0) table.push_back(little_endian(0));

    encoded.pieces.reserve(segments.size() + 1);
    encoded.pieces.push_back(std::as_bytes(std::span(table)));
    for (const auto& segment : segments) {
        const auto bytes = segment.asBytes();
        encoded.pieces.push_back(std::as_bytes(std::span(bytes.begin(), bytes.size())));
    }
    for (const auto& piece : encoded.pieces) encoded.bytes += piece.size();
    encoded.owner = std::move(outgoing);
    return encoded;
}

template <size_t size>
capnp::Data::Reader data_of(const std::array<uint8_t, size>& bytes) {
    return {bytes.data(), bytes.size()};
}

capnp::Data::Reader data_of(const ContentHash& hash) {
    return hash == ContentHash{} ? capnp::Data::Reader() : data_of(hash.bytes);
}

template <class Builder>
void put_source(Builder to, const SourceId& source) {
    to.setNode(data_of(source.node.bytes));
    to.setStream(source.stream.value);
}

void put(wire::Member::Builder to, const msg::Member& member) {
    to.setNode(data_of(member.id.bytes));
    to.setIncarnation(member.incarnation.value);
    to.setName(member.name.c_str());
    to.setHost(member.endpoint.host.c_str());
    to.setPort(member.endpoint.port);
}

void put(capnp::List<wire::Member>::Builder to, const std::vector<msg::Member>& members) {
    for (unsigned i = 0; i < to.size(); ++i) put(to[i], members[i]);
}

void put(wire::Frame::Builder to, const FrameId& frame) {
    put_source(to, frame.source);
    to.setIncarnation(frame.incarnation.value);
    to.setK(frame.k);
}

void put(wire::Durations::Builder to, const Durations& durations) {
    to.setWaitingUsec(durations.waiting.count());
    to.setComputingUsec(durations.computing.count());
}

void put(wire::Tensor::Builder to, const HostTensor& tensor) {
    to.setValue(tensor.meta.value.value);
    to.setDtype(static_cast<wire::DType>(tensor.meta.dtype));
    auto shape = to.initShape(static_cast<unsigned>(tensor.meta.shape.size()));
    for (unsigned i = 0; i < shape.size(); ++i) shape.set(i, tensor.meta.shape[i]);
    to.setRowBegin(tensor.meta.rows.begin);
    to.setRowEnd(tensor.meta.rows.end);
    to.setChannelsLast(tensor.meta.channels_last);
    if (tensor.bytes.size() == 0) return;
    // The only place where the wire meets tensor bytes, and it takes their address, not their content.
    const auto* bytes = reinterpret_cast<const kj::byte*>(tensor.bytes.data());
    to.adoptData(capnp::Orphanage::getForMessageContaining(to).referenceExternalData(
        capnp::Data::Reader(bytes, tensor.bytes.size())));
}

void put(capnp::List<wire::Tensor>::Builder to, const std::vector<HostTensor>& tensors) {
    for (unsigned i = 0; i < to.size(); ++i) put(to[i], tensors[i]);
}

float finite(float number) { return std::isfinite(number) ? number : 0; }

struct Writer {
    wire::Envelope::Builder to;
    const std::vector<HostTensor>& tensors;

    void operator()(const msg::Ping& ping) { to.setPing(ping.sequence); }
    void operator()(const msg::Pong& pong) { to.setPong(pong.sequence); }
    void operator()(const msg::Leave& leave) { to.setLeave(cleaned(leave.reason, text_bytes_max).c_str()); }
    void operator()(const msg::ResultAck& ack) { put(to.initResultAck(), ack.frame); }

    void operator()(const msg::Notify&) { to.setNotify(); }
    void operator()(const msg::Introduce& introduce) { put(to.initIntroduce(), introduce.member); }

    void operator()(const msg::FindSuccessor& find) {
        auto out = to.initFindSuccessor();
        out.setRequest(find.request);
        out.setKey(data_of(find.key.bytes));
    }

    void operator()(const msg::Found& found) {
        auto out = to.initFound();
        out.setRequest(found.request);
        out.setDone(found.done);
        put(out.initBefore(static_cast<unsigned>(found.before.size())), found.before);
        put(out.initAfter(static_cast<unsigned>(found.after.size())), found.after);
    }

    void operator()(const msg::GetNeighbours& get) {
        auto out = to.initGetNeighbours();
        out.setRequest(get.request);
        out.setKnownVersion(get.known_version);
    }

    void operator()(const msg::Neighbours& neighbours) {
        auto out = to.initNeighbours();
        out.setRequest(neighbours.request);
        out.setVersion(neighbours.version);
        out.setUnchanged(neighbours.unchanged);
        if (neighbours.predecessor) put(out.initPredecessor(), *neighbours.predecessor);
        put(out.initSuccessors(static_cast<unsigned>(neighbours.successors.size())), neighbours.successors);
    }

    void operator()(const msg::NodeState& state) {
        auto out = to.initNodeState();
        out.setSequence(state.sequence);
        out.setAsOfSeq(state.as_of_seq);
        out.setGammaSecondsPerParameter(state.gamma_s_per_parameter);
        out.setMemoryBytes(state.memory_bytes);
        out.setPressure(state.pressure);
        out.setFirstLayer(state.layers.first);
        out.setEndLayer(state.layers.last);
        out.setChainHash(data_of(state.chain_hash));
        auto backlog = out.initBacklog(static_cast<unsigned>(state.backlog.size()));
        for (unsigned i = 0; i < backlog.size(); ++i) {
            put_source(backlog[i], state.backlog[i].source);
            backlog[i].setLayer(state.backlog[i].layer);
            backlog[i].setFrames(state.backlog[i].frames);
        }
        auto remaining = out.initRemaining(static_cast<unsigned>(state.remaining.size()));
        for (unsigned i = 0; i < remaining.size(); ++i) {
            remaining[i].setLayer(state.remaining[i].layer);
            remaining[i].setTimeUsec(state.remaining[i].time.count());
            remaining[i].setPrice(state.remaining[i].price);
        }
        auto links = out.initLinks(static_cast<unsigned>(state.links.size()));
        for (unsigned i = 0; i < links.size(); ++i) {
            links[i].setNode(data_of(state.links[i].to.bytes));
            links[i].setBytesPerSecond(state.links[i].bytes_per_s);
        }
    }

    void operator()(const msg::Work& work) {
        auto out = to.initWork();
        put(out.initFrame(), work.frame);
        out.setSeq(work.seq);
        out.setAttempt(work.attempt);
        out.setHops(work.hops);
        out.setLayer(work.layer);
        out.setPriority(work.priority);
        out.setPlan(work.plan.value);
        out.setEpoch(work.epoch);
        out.setChainHash(data_of(work.chain_hash));
        out.setDeadlineLeftUsec(work.deadline_left.count());
        put(out.initSoFar(), work.so_far);
        out.setCustody(work.custody);
        put(out.initTensors(static_cast<unsigned>(tensors.size())), tensors);
    }

    void operator()(const msg::PlanPrepare& prepare) {
        auto out = to.initPlanPrepare();
        out.setEpoch(prepare.epoch);
        out.setChainHash(data_of(prepare.plan.chain_hash));
        out.setWindow(prepare.plan.window);
        auto devices = out.initDevices(static_cast<unsigned>(prepare.plan.devices.size()));
        for (unsigned i = 0; i < devices.size(); ++i) devices.set(i, data_of(prepare.plan.devices[i].bytes));
        auto blocks = out.initBlocks(static_cast<unsigned>(prepare.plan.blocks.size()));
        for (unsigned i = 0; i < blocks.size(); ++i) {
            const RowBlock& block = prepare.plan.blocks[i];
            blocks[i].setFirst(block.first);
            blocks[i].setLast(block.last);
            blocks[i].setBoundaryFirst(block.boundary_first);
            auto bounds = blocks[i].initBounds(static_cast<unsigned>(block.bounds.size()));
            for (unsigned j = 0; j < bounds.size(); ++j) bounds.set(j, block.bounds[j]);
        }
    }

    void operator()(const msg::PlanAnswer& answer) {
        auto out = to.initPlanAnswer();
        out.setEpoch(answer.epoch);
        out.setReady(answer.ready);
        out.setReason(cleaned(answer.reason, text_bytes_max).c_str());
    }

    void operator()(const msg::PlanRetire& retire) { to.setPlanRetire(retire.epoch); }

    void operator()(const msg::Rows& rows) {
        auto out = to.initRows();
        put(out.initFrame(), rows.frame);
        out.setAttempt(rows.attempt);
        out.setEpoch(rows.epoch);
        out.setMessage(rows.message);
        out.setDeadlineLeftUsec(rows.deadline_left.count());
        put(out.initSoFar(), rows.so_far);
        out.setSeq(rows.seq);
        put(out.initTensors(static_cast<unsigned>(tensors.size())), tensors);
    }

    void operator()(const msg::RowsCancel& cancel) {
        auto out = to.initRowsCancel();
        put(out.initFrame(), cancel.frame);
        out.setAttempt(cancel.attempt);
        out.setEpoch(cancel.epoch);
    }

    void operator()(const msg::RowsAck& ack) {
        auto out = to.initRowsAck();
        out.setSeq(ack.seq);
        out.setBytes(ack.bytes);
        out.setFirstByteUsec(ack.first_byte.count());
        out.setLastByteUsec(ack.last_byte.count());
    }

    void operator()(const msg::Ack& ack) {
        auto out = to.initAck();
        out.setSeq(ack.seq);
        out.setBytes(ack.bytes);
        out.setFirstByteUsec(ack.first_byte.count());
        out.setLastByteUsec(ack.last_byte.count());
        out.setAccepted(ack.accepted);
        auto credits = out.initCredits(static_cast<unsigned>(ack.credits.size()));
        for (unsigned i = 0; i < credits.size(); ++i) {
            put_source(credits[i], ack.credits[i].source);
            credits[i].setLimit(ack.credits[i].limit);
        }
        auto released = out.initReleased(static_cast<unsigned>(ack.released.size()));
        for (unsigned i = 0; i < released.size(); ++i) released.set(i, ack.released[i]);
    }

    void operator()(const msg::Result& result) {
        auto out = to.initResult();
        put(out.initFrame(), result.frame);
        out.setAttempt(result.attempt);
        out.setHops(result.hops);
        out.setLocal(result.local);
        out.setExpired(result.expired);
        put(out.initSoFar(), result.so_far);
        out.setFailure(result.failure.c_str());
        auto classes = out.initClasses(static_cast<unsigned>(result.inference.classes.size()));
        for (unsigned i = 0; i < classes.size(); ++i) {
            classes[i].setLabel(result.inference.classes[i].label);
            classes[i].setScore(result.inference.classes[i].score);
        }
        auto detections = out.initDetections(static_cast<unsigned>(result.inference.detections.size()));
        for (unsigned i = 0; i < detections.size(); ++i) {
            const Detection& from = result.inference.detections[i];
            detections[i].setLabel(from.label);
            detections[i].setScore(from.score);
            detections[i].setX0(from.x0);
            detections[i].setY0(from.y0);
            detections[i].setX1(from.x1);
            detections[i].setY1(from.y1);
        }
    }
};

/// So that most messages fit one segment; a wrong guess costs another segment, nothing else.
unsigned first_segment_words(const Message& message) {
    size_t words = 96;
    if (const auto* state = std::get_if<msg::NodeState>(&message))
        words += 6 * state->backlog.size() + 2 * state->remaining.size() + 5 * state->links.size();
    if (const auto* neighbours = std::get_if<msg::Neighbours>(&message)) words += 24 * neighbours->successors.size();
    if (const auto* found = std::get_if<msg::Found>(&message))
        words += 24 * (found->before.size() + found->after.size());
    if (const auto* ack = std::get_if<msg::Ack>(&message)) words += 6 * ack->credits.size() + ack->released.size();
    if (const auto* result = std::get_if<msg::Result>(&message))
        words +=
            2 * result->inference.classes.size() + 3 * result->inference.detections.size() + result->failure.size() / 8;
    if (std::holds_alternative<msg::Work>(message)) words += 16 * frontier_tensors_max;
    if (std::holds_alternative<msg::Rows>(message)) words += 16 * msg::rows_tensors_max;
    if (const auto* prepare = std::get_if<msg::PlanPrepare>(&message))
        words +=
            4 * prepare->plan.devices.size() + (4 + prepare->plan.devices.size() / 2) * prepare->plan.blocks.size();
    return static_cast<unsigned>(std::min<size_t>(words, 32 * 1024));
}

constexpr Usec year = std::chrono::hours(24 * 365);

/// More than a year away is none at all, and more than a year ago is a year ago.
Usec mended(Usec deadline_left) { return deadline_left > year ? Usec::max() : std::max(deadline_left, -year); }

bool too_long(const msg::Remaining& remaining) { return remaining.time > year; }

/// Behind a link that hardly moves a byte a frame may well need more than a year; that must not cost the whole state.
msg::NodeState mended(msg::NodeState state) {
    for (auto& remaining : state.remaining)
        if (too_long(remaining)) remaining.time = year;
    return state;
}

/// A result with what the sender cannot help already mended.
msg::Result mended(msg::Result result) {
    result.failure = cleaned(result.failure, text_bytes_max);
    for (auto& c : result.inference.classes) c.score = finite(c.score);
    for (auto& d : result.inference.detections)
        for (float* number : {&d.score, &d.x0, &d.y0, &d.x1, &d.y1}) *number = finite(*number);
    return result;
}

/// Nothing if its deadline needs no mending.
template <class Kind>
std::optional<Message> with_mended_deadline(const Message& message) {
    const auto* told = std::get_if<Kind>(&message);
    if (told == nullptr || mended(told->deadline_left) == told->deadline_left) return std::nullopt;
    Kind clean = *told;
    clean.deadline_left = mended(told->deadline_left);
    return clean;
}

template <class Fill>
Encoded encode_small(Fill fill) {
    auto outgoing = std::make_shared<Outgoing>(128);
    fill(outgoing->builder.initRoot<wire::Envelope>());
    return finish(std::move(outgoing));
}

}  // namespace

Result<Encoded> encode(const Message& message, std::vector<HostTensor> tensors) {
    if (const auto* result = std::get_if<msg::Result>(&message)) {
        const Message clean = mended(*result);
        if (std::get<msg::Result>(clean) != *result) return encode(clean, std::move(tensors));
    }
    if (const auto clean = with_mended_deadline<msg::Work>(message)) return encode(*clean, std::move(tensors));
    if (const auto clean = with_mended_deadline<msg::Rows>(message)) return encode(*clean, std::move(tensors));
    if (const auto* state = std::get_if<msg::NodeState>(&message);
        state && std::any_of(state->remaining.begin(), state->remaining.end(), too_long))
        return encode(mended(*state), std::move(tensors));
    if (auto status = check(message, tensors); !status) return status.error();
    try {
        auto outgoing = std::make_shared<Outgoing>(first_segment_words(message));
        outgoing->tensors = std::move(tensors);
        std::visit(Writer{outgoing->builder.initRoot<wire::Envelope>(), outgoing->tensors}, message);
        Encoded encoded = finish(std::move(outgoing));
        if (std::holds_alternative<msg::Result>(message) && encoded.bytes > result_bytes_max)
            return invalid("a result of " + std::to_string(encoded.bytes) + " bytes is too large");
        return encoded;
    } catch (const kj::Exception& e) {
        return internal(std::string("cannot encode a message: ") + e.getDescription().cStr());
    } catch (const std::exception& e) {
        return exhausted(std::string("cannot encode a message: ") + e.what());
    }
}

Encoded encode(const Hello& hello) {
    return encode_small([&](wire::Envelope::Builder to) {
        auto out = to.initHello();
        out.setCluster(hello.cluster.c_str());
        put(out.initMember(), hello.member);
        out.setInstance(data_of(hello.instance));
        out.setNonce(data_of(hello.nonce));
        out.setKeyed(hello.keyed);
        if (hello.session) out.setSession(data_of(*hello.session));
        out.setChainHash(data_of(hello.chain_hash));
        out.setWallClockUsec(hello.wall_clock.count());
        out.setProbe(hello.probe);
    });
}

Encoded encode(const Proof& proof) {
    return encode_small([&](wire::Envelope::Builder to) { to.initProof().setMac(data_of(proof.mac)); });
}

Encoded encode(const Refuse& refuse) {
    return encode_small([&](wire::Envelope::Builder to) {
        auto out = to.initRefuse();
        out.setCode(refuse.code);
        out.setText(cleaned(refuse.text, text_bytes_max).c_str());
    });
}

Encoded encode(const Bye& bye) {
    return encode_small(
        [&](wire::Envelope::Builder to) { to.initBye().setReason(cleaned(bye.reason, text_bytes_max).c_str()); });
}

Encoded encode(const Inquiry& inquiry) {
    return encode_small([&](wire::Envelope::Builder to) {
        auto out = to.initInquiry();
        out.setNumber(inquiry.number);
        out.setClaimant(cleaned(inquiry.claimant, text_bytes_max).c_str());
    });
}

Encoded encode(const Alive& alive) {
    return encode_small([&](wire::Envelope::Builder to) { to.setAlive(alive.number); });
}

}  // namespace eddy::transport
