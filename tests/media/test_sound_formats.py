"""Sound of every kind goes into every container: all of its packets where it is copied, its whole length elsewhere."""

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from clips import make_clip
from conftest import run

from dreamvideo.frames import StreamInfo
from dreamvideo.info.probe import probe_file
from dreamvideo.media import stream_trial
from dreamvideo.media.audio import open_audio_decoder
from dreamvideo.media.channel_layout import read_layout
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.stream_policy import plan_streams
from dreamvideo.media.video_encoder import CONTAINERS
from dreamvideo.media.video_file import Muxer
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.job import EncodeSettings, ReadSettings

SECONDS = 1.5

# name: (suffix, video codec, audio codec, rate, layout)
KINDS = {
    "wma2": (".wmv", "wmv2", "wmav2", 44_100, "stereo"),
    "wma2_mono": (".wmv", "wmv2", "wmav2", 44_100, "mono"),
    "pcm": (".avi", "mpeg4", "pcm_s16le", 44_100, "stereo"),
    "pcm_u8": (".avi", "mpeg4", "pcm_u8", 11_025, "mono"),
    "ima": (".avi", "mpeg4", "adpcm_ima_wav", 16_000, "mono"),
    "ms": (".avi", "mpeg4", "adpcm_ms", 44_100, "mono"),
    "aac_avi": (".avi", "mpeg4", "aac", 48_000, "stereo"),
    "ac3": (".mkv", "mpeg4", "ac3", 48_000, "5.1(side)"),
    "flac": (".mkv", "mpeg4", "flac", 48_000, "4.0"),
    "pcm_71": (".mov", "mpeg4", "pcm_s16le", 48_000, "7.1"),
    "pcm_12": (".mov", "mpeg4", "pcm_s16le", 48_000, "7.1.4"),
}


def make_sound(folder: Path, kind: str) -> Path:
    """A film of 1.5 s with a tone of another pitch in each channel."""
    suffix, video, codec, rate, layout = KINDS[kind]
    path = folder / f"{kind}{suffix}"
    with av.open(str(path), "w") as output:
        pictures = cast(av.VideoStream, output.add_stream(video, rate=25))
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.codec_context.max_b_frames = 0
        sound = cast(av.AudioStream, output.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"}))
        sound.codec_context.bit_rate = 192_000
        output.start_encoding()
        channels = av.AudioLayout(layout).nb_channels
        for number in range(round(SECONDS * 25)):
            output.mux(pictures.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * number, np.uint8))))
            begin = np.arange(number * rate // 25, (number + 1) * rate // 25)
            tones = np.array([np.sin(begin * 2 * np.pi * 200 * (n + 1) / rate) * 0.2 for n in range(channels)])
            packed = tones.T.reshape(1, -1).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, int(begin[0]), Fraction(1, rate)
            output.mux(sound.encode(frame))
        output.mux(pictures.encode(None) + sound.encode(None))
    return path


def sound_of(path: Path) -> tuple[str, int, float, Any]:
    """(codec, packets, seconds of sound, samples (channels, time) of the first channels)."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        decode, packets, parts = open_audio_decoder(stream), 0, []
        channels = min(8, read_layout(stream).channels)
        resampler = av.AudioResampler("flt", "7.1" if channels == 8 else None)  # PyAV cannot read 8 planes
        for packet in container.demux(stream):
            packets += bool(packet.size)
            for frame in decode(packet if packet.size else None):
                parts += [part.to_ndarray() for part in resampler.resample(frame)]
        samples = np.concatenate(parts, 1).reshape(-1, channels).T.astype(float)
        return stream.codec_context.name, packets, samples.shape[1] / stream.codec_context.sample_rate, samples


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    films = {kind: make_sound(folder, kind) for kind in KINDS}
    content = films["pcm_71"].read_bytes()
    usual, other = bytes.fromhex("000100000000063f"), bytes.fromhex("0080000800000000")  # side before back
    assert content.count(usual) == 1
    films["pcm_71"].write_bytes(content.replace(usual, other))
    return films


def rewrite(path: Path, output: Path) -> None:
    with open_video(path, ReadSettings()) as source:
        write_video(source.frames, output, source.info, EncodeSettings())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_sound_comes_out_and_was_foretold(
    films: dict[str, Path], tmp_path: Path, kind: str, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / f"dream{suffix}"
    with open_video(films[kind], ReadSettings()) as source:
        plan = plan_streams(films[kind], CONTAINERS[suffix], source.info.stream, audio=True)[1]
    rewrite(films[kind], output)
    _, packets, seconds, _ = sound_of(films[kind])
    codec, packets_after, seconds_after, samples = sound_of(output)
    assert plan.action in ("copied", "transcoded")
    if plan.action == "copied":
        assert packets_after == packets or "pcm" in kind  # PCM has no packets of its own
        assert seconds_after == pytest.approx(seconds, abs=0.01)
        assert caplog.text == ""
    else:
        assert codec.replace("float", "") in str(plan.codec)
        assert seconds_after == pytest.approx(seconds, abs=0.15)
        assert "is damaged" not in caplog.text
    assert np.abs(samples).max() > 0.1
    with av.open(str(output)) as container:
        times = [
            p.pts * p.time_base for p in container.demux(container.streams.audio[0]) if p.size and p.pts is not None
        ]
    assert float(times[-1] - times[0]) == pytest.approx(SECONDS, abs=0.2)  # the clock, too


def test_channels_in_an_unusual_order_come_out_in_the_usual_one(films: dict[str, Path], tmp_path: Path) -> None:
    rewrite(films["pcm_71"], tmp_path / "dream.webm")
    samples = sound_of(tmp_path / "dream.webm")[3]
    pitches = [
        int(np.abs(np.fft.rfft(channel)).argmax() / (samples.shape[1] / 48_000) / 200 + 0.5) for channel in samples
    ]
    assert [pitch for n, pitch in enumerate(pitches, 1) if n != 4] == [1, 2, 3, 7, 8, 5, 6]  # but the bass channel


def test_layouts_of_other_orders_do_not_crash_the_process(films: dict[str, Path]) -> None:
    code = (
        "import av, gc, sys\n"
        "from dreamvideo.media.channel_layout import read_layout\n"
        "with av.open(sys.argv[1]) as film:\n"
        "    names = {str(read_layout(film.streams.audio[0])) for _ in range(50)}\n"
        "gc.collect()\n"
        "print(*names)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(films["pcm_71"])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "speakers=('FL', 'FR', 'FC', 'LFE'" in done.stdout
    audio = probe_file(films["pcm_71"]).streams[1].audio
    assert audio is not None and (audio.channels, audio.layout) == (8, "8 channels")


def test_more_channels_than_the_encoder_takes_are_mixed_with_a_word(films: dict[str, Path]) -> None:
    plan = plan_streams(films["pcm_12"], CONTAINERS[".webm"], 0, audio=True)[1]
    assert (plan.action, plan.codec) == ("transcoded", "libopus")
    assert plan.reason == "since a webm file cannot hold it, mixed to 7.1"


def test_sound_that_can_be_neither_copied_nor_decoded_is_left_out_and_the_film_is_written(
    films: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stream_trial, "_verdicts", {})
    monkeypatch.setattr(stream_trial, "can_copy", lambda *_: False)
    monkeypatch.setattr(stream_trial, "_can_encode", lambda *_: False)
    assert run("video", films["ac3"], "-o", tmp_path / "dream.mp4", "--iterations", "0") == 0
    assert "dropped: audio ac3, since it can neither be copied into a mp4 file nor decoded" in capsys.readouterr().err
    with av.open(str(tmp_path / "dream.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_of_many_films_of_one_kind_only_the_first_one_is_tried(
    films: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_trial, "_verdicts", {})
    plain, tried = io.BytesIO, []
    monkeypatch.setattr(io, "BytesIO", lambda *args: tried.append(1) or plain(*args))
    plans = [plan_streams(films["wma2"], CONTAINERS[".mp4"], 0, audio=True) for _ in range(20)]
    assert all(plan == plans[0] for plan in plans)
    assert 1 <= len(tried) <= 2


def test_a_damaged_film_does_not_decide_for_others_of_its_kind(films: dict[str, Path], tmp_path: Path) -> None:
    stream_trial._verdicts.clear()
    content = films["flac"].read_bytes()
    with av.open(str(films["flac"])) as film:
        sound = [bytes(packet) for packet in film.demux(film.streams.audio[0]) if packet.size]
    for packet in sound:
        content = content.replace(packet[8:], bytes(len(packet) - 8))
    (tmp_path / "damaged.mkv").write_bytes(content)
    damaged = plan_streams(tmp_path / "damaged.mkv", CONTAINERS[".webm"], 0, audio=True)[1]
    whole = plan_streams(films["flac"], CONTAINERS[".webm"], 0, audio=True)[1]
    assert (damaged.action, whole.action) == ("dropped", "transcoded")


def test_sound_that_changes_its_channels_in_mid_stream_goes_on(tmp_path: Path, films: dict[str, Path]) -> None:
    from dreamvideo.media.audio import add_audio_stream, audio_formats, open_audio_encoder

    with av.open(str(films["pcm"])) as film, av.open(str(tmp_path / "sound.mkv"), "w") as output:
        form = audio_formats(film.streams.audio[0], "aac", 160_000)[0]
        encode = open_audio_encoder(add_audio_stream(output, form))
        output.start_encoding()
        for number in range(60):
            layout = "stereo" if number // 20 != 1 else "5.1"
            frame = av.AudioFrame(format="fltp", layout=layout, samples=1000)
            for plane in frame.planes:
                plane.update(np.full(1000, 0.1, np.float32).tobytes())
            frame.sample_rate, frame.pts, frame.time_base = 44_100, 1000 * number, Fraction(1, 44_100)
            output.mux(encode(frame))
        output.mux(encode(None))
    assert sound_of(tmp_path / "sound.mkv")[2] == pytest.approx(60_000 / 44_100, abs=0.05)


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_packets_of_equal_times_are_kept(tmp_path: Path, suffix: str) -> None:
    """As a coarse clock of an output makes them: each is moved by one unit where the muxer insists."""
    clip = make_clip(tmp_path / "clip.mkv", audio=[("mp2", "eng")])
    output = tmp_path / f"dream{suffix}"

    def coarse(packets: Any) -> Any:
        for time, packet in packets:
            packet.pts = packet.dts = packet.pts // 100 * 100
            yield time, packet

    checkpoint_folder(output).mkdir()
    with open_video(clip, ReadSettings()) as source:
        film = Muxer(output, source.info, EncodeSettings(), None)
        (copier,) = film._copiers
        copier._packets = coarse(copier._packets)
        for frame in source.frames:
            film.add(film.encoder.encode(frame.image, frame.time, frame.duration))
        film.add(film.encoder.flush())
        film.finish(whole=True)
        film.publish(overwrite=False)
    assert sound_of(output)[1] == sound_of(clip)[1]


def test_a_trial_reads_only_the_beginning_of_a_file(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", audio=[("flac", "eng")], audio_seconds=20)
    with av.open(str(clip)) as source:
        samples = stream_trial.read_packet_samples(source, source.streams.audio)[1]
    assert samples[0].dts == 0
    assert 1 <= samples[-1].pts * samples[-1].time_base < 1.2


def test_frames_without_a_file_have_no_sound(tmp_path: Path) -> None:
    from test_video_writer import made

    write_video(made(), tmp_path / "dream.mp4", StreamInfo(64, 48, Fraction(25), time_base=Fraction(1, 1000)))
    with av.open(str(tmp_path / "dream.mp4")) as container:
        assert not container.streams.audio
