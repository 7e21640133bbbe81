// SPDX-License-Identifier: Apache-2.0
/* uapi input and USB structs, packed ones among them. */
#include <linux/types.h>
#include <uapi/linux/input.h>
#include <uapi/linux/usb/ch9.h>
#include <linux/hid.h>
#include "corpus.h"

struct usb_interface_descriptor descriptor;
struct usb_endpoint_descriptor endpoint = {.bLength = USB_DT_ENDPOINT_SIZE, .bDescriptorType = USB_DT_ENDPOINT};

SEC("kprobe/hid_input_report")
int input(unsigned long long *ctx)
{
	struct input_event *event = (void *)ctx[0];
	struct hid_device *hid = (void *)ctx[1];

	if (event->type == EV_KEY && event->code == KEY_ENTER)
		return event->value;
	return usb_endpoint_dir_in(&endpoint) + sizeof(descriptor) + hid->vendor + hid->product + BTN_LEFT + usb_endpoint_maxp(&endpoint);
}
