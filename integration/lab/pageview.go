package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// View is how a page is looked at.
type View struct {
	Width, Height int
	Dark          bool
	Phone         bool // touch, and a screen of high resolution
}

// Look changes how the page is looked at.
func (p *Page) Look(ctx context.Context, v View) error {
	scale, scheme := 1, "light"
	if v.Phone {
		scale = 2
	}
	if v.Dark {
		scheme = "dark"
	}
	metrics := map[string]any{"width": v.Width, "height": v.Height, "deviceScaleFactor": scale, "mobile": v.Phone}
	if err := p.call(ctx, "Emulation.setDeviceMetricsOverride", metrics, nil); err != nil {
		return err
	}
	media := map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}
	if err := p.call(ctx, "Emulation.setEmulatedMedia", media, nil); err != nil {
		return err
	}
	return p.Eval(ctx, "new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(() => painted(true))))", nil)
}

// Screenshot writes the whole page to a file, as PNG.
func (p *Page) Screenshot(ctx context.Context, file string) error {
	var shot struct{ Data []byte }
	if err := p.call(ctx, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot); err != nil {
		return err
	}
	return os.WriteFile(file, shot.Data, 0o600)
}

// Press presses and releases a key, "Tab" or "Enter".
func (p *Page) Press(ctx context.Context, key string) error {
	codes := map[string]int{"Tab": 9, "Enter": 13}
	params := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
	if key == "Enter" {
		params["text"] = "\r"
	}
	if err := p.call(ctx, "Input.dispatchKeyEvent", params, nil); err != nil {
		return err
	}
	return p.call(ctx, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}, nil)
}

// Type writes a text to where the focus is.
func (p *Page) Type(ctx context.Context, text string) error {
	return p.call(ctx, "Input.insertText", map[string]any{"text": text}, nil)
}

// Spoken returns what a screen reader finds on the page, in order, each as
// "ROLE: NAME".
func (p *Page) Spoken(ctx context.Context) ([]string, error) {
	type value struct{ Value json.RawMessage }
	var tree struct {
		Nodes []struct {
			Ignored    bool
			Role, Name value
		}
	}
	if err := p.call(ctx, "Accessibility.getFullAXTree", struct{}{}, &tree); err != nil {
		return nil, err
	}
	var spoken []string
	for _, n := range tree.Nodes {
		var role, name string
		if n.Ignored || json.Unmarshal(n.Role.Value, &role) != nil || json.Unmarshal(n.Name.Value, &name) != nil {
			continue
		}
		spoken = append(spoken, fmt.Sprintf("%s: %s", role, name))
	}
	return spoken, nil
}
