"""Short-time spectra of plain signals: frames are windowed in place, nothing requires grad."""

import torch


def frames(signal, size, hop):
    """(T, size) copies of overlapping pieces, windowed and centred."""
    pieces = torch.stack([signal[i : i + size] for i in range(0, len(signal) - size + 1, hop)])
    pieces *= torch.hann_window(size)
    pieces -= pieces.mean(dim=1, keepdim=True)
    return pieces


def spectrum(pieces):
    """Mean power in decibels, floor at -80."""
    power = torch.fft.rfft(pieces).abs().square().mean(dim=0)
    power /= power.max()
    power.clamp_(min=1e-8)
    return power.log10_().mul_(10)


def main():
    t = torch.arange(64) / 64
    signal = torch.sin(2 * torch.pi * 8 * t)
    signal += 0.1 * torch.cos(2 * torch.pi * 20 * t)
    signal[::16] = 0
    return {"spectrum": spectrum(frames(signal, 16, 8))}


if __name__ == "__main__":
    print(main()["spectrum"].shape)
